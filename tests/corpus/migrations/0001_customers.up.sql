-- The first table: identity, checks, a unique e-mail, timestamps with a default.
CREATE TABLE customers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email       text NOT NULL,
    full_name   text NOT NULL CHECK (length(full_name) BETWEEN 1 AND 200),
    born_on     date CHECK (born_on > DATE '1900-01-01'),
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customers_email_unique UNIQUE (email)
);
