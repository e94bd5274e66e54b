ALTER TABLE bookings VALIDATE CONSTRAINT bookings_not_empty;
CREATE TABLE nodes (
    id      int PRIMARY KEY,
    parent  int REFERENCES nodes (id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO nodes (id, parent) VALUES (1, 2), (2, NULL);
