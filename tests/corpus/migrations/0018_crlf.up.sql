CREATE TABLE windows_lines (
    id int PRIMARY KEY,
    -- a comment with CRLF
    note text DEFAULT E'a\r\nb'
);
COMMENT ON TABLE windows_lines IS 'first
second';
