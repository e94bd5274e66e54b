/* A block comment; with a semicolon
   /* and one inside it; */ still a comment */
CREATE TABLE /* here */ commented ( -- and here; too
    id int -- no comma after this
    /* ; */ PRIMARY KEY
); -- the end; really
-- a last line without a newline
