CREATE TABLE texts (
    plain    text DEFAULT 'it''s; fine',
    escaped  text DEFAULT E'tab\tquote\' backslash\\',
    unicode  text DEFAULT U&'\00e9\+01f418',
    bits     bit varying DEFAULT B'1010',
    dollars  text DEFAULT $q$ 'quoted'; $$ inside $$ $q$,
    "Odd ""name""; here" text
);
