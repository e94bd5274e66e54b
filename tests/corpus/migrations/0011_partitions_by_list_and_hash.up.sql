CREATE TABLE ledger_entries (
    region  text NOT NULL,
    id      uuid NOT NULL,
    amount  money_amount NOT NULL
) PARTITION BY LIST (region);
CREATE TABLE ledger_entries_eu PARTITION OF ledger_entries FOR VALUES IN ('de', 'fr', 'it')
    PARTITION BY HASH (id);
CREATE TABLE ledger_entries_eu_0 PARTITION OF ledger_entries_eu FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE ledger_entries_eu_1 PARTITION OF ledger_entries_eu FOR VALUES WITH (MODULUS 2, REMAINDER 1);
