CREATE TABLE bookings (
    room    int NOT NULL,
    during  tstzrange NOT NULL,
    EXCLUDE USING gist (room WITH =, during WITH &&)
);
ALTER TABLE bookings ADD CONSTRAINT bookings_not_empty CHECK (NOT isempty(during)) NOT VALID;
