//! Which files are taken as one transactional step, and by which name the others are refused.

use countersign_sql::{CutError, MAX_FILE_BYTES, Place, cut};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// Files as people write them: each is exactly one step.
const TAKEN: &[&str] = &[
    "select 1",
    "SELECT 1;",
    ";;select 1;;",
    "\u{c}\n\tselect 1;\r\n\r\n",
    "-- what and why\ncreate table t (id bigint generated always as identity primary key);",
    "create table t (\r\n  a int, -- one\r\n  b text /* two */\r\n);\r\n",
    "/* outer /* inner; COMMIT */ still */ create table t ();",
    "create table t (a int); -- BEGIN; COMMIT;",
    "-- COMMIT;\r\ncreate table t (a int) -- no semicolon",
    "insert into t values ('BEGIN; COMMIT; VACUUM;');",
    "insert into t values (E'it\\'s; COMMIT; \\\\');",
    "insert into t values (E'a\\nb'\n 'c');",
    "insert into t values ('C:\\dir\\'), (U&'\\0441'), (N'n'), (B'101'), (X'1F');",
    "insert into t values ('it''s', $$it's; COMMIT;$$, $tag$ $$ $tag$, $é$;COMMIT;$é$);",
    "insert into \"größe\" (\"prix en €\") values ('漢字 😀');",
    "insert into t(a) values ('countersign'), ('countersign.x'), ('{\"countersign\": 1}');",
    "create table countersigned (a int); alter table my_countersign add \"Countersign\" int;",
    "select 'countersign' as who, \"COUNTERSIGN\" from t; -- countersign.jobs",
    "comment on table t is 'see schema countersign';",
    "set application_name = 'countersign';",
    "alter table t add column a int not null default 0, drop column b cascade;",
    "alter table only public.t alter column a type bigint using a::bigint;",
    "alter table t add constraint c foreign key (a) references u (id) not valid;",
    "alter table t validate constraint c;",
    "alter table t attach partition p for values from ('2020-01-01') to (maxvalue);",
    "alter table t detach partition p;",
    "alter table t detach partition p finalize;",
    "alter table t set (autovacuum_vacuum_scale_factor = 0.01), set tablespace fast;",
    "create unique index if not exists i on t using btree (lower(a) desc nulls last) where b;",
    "create index on t using gin (doc jsonb_path_ops) with (fastupdate = off);",
    "drop index if exists i, j cascade;",
    "reindex table t; reindex (verbose) index i; reindex (concurrently off) table t;",
    "cluster t using i; cluster i on t; cluster t;",
    "refresh materialized view concurrently v;",
    "create or replace view v as with r as (select 1 a) select * from r union all select 2;",
    "create materialized view v as select 1 with no data;",
    "create function f(a int default 1, variadic b text[]) returns setof t language sql stable \
     as $$ select * from t where id = a; $$;",
    "create or replace function f() returns trigger as $body$\nbegin\n  new.a := now();\n  \
     return new; -- done\nend;\n$body$ language plpgsql security definer set search_path = '';",
    "create function f() returns int language sql begin atomic select 1; select 2; end;",
    "create procedure p() language plpgsql as $$ begin insert into t values (1); commit; end $$;",
    "do $$ begin if not exists (select 1 from pg_type where typname = 'm') then \
     create type m as enum ('a'); end if; end $$;",
    "do language plpgsql 'begin perform ''COMMIT''; end';",
    "call p(1, 'x');",
    "create trigger tr before insert or update of a on t for each row when (new.a > 1) \
     execute function f();",
    "create type mood as enum ('sad', 'ok'); alter type mood add value if not exists 'happy';",
    "create type pair as (a int, b text); create domain d as text check (value ~ '^\\d+$');",
    "create sequence s start 10; select setval('s', 20), nextval('public.s'::regclass);",
    "create extension if not exists \"uuid-ossp\" with schema public;",
    "create policy p on t for select to app using (owner = current_user);",
    "grant select, insert on all tables in schema public to app, \"Reader\";",
    "alter default privileges in schema app grant select on tables to app;",
    "revoke all on function f(int) from public; reassign owned by bob to alice; drop owned by bob;",
    "create rule r as on insert to t do also (notify x; insert into u values (1));",
    "insert into t select * from u on conflict (id) do update set a = excluded.a returning *;",
    "merge into t using u on t.id = u.id when matched then update set a = 1 \
     when not matched then insert values (u.id);",
    "update t set a = case when b then 1 else 2 end from u where t.id = u.id;",
    "delete from t using u where t.id = u.id; truncate t, u restart identity cascade;",
    "set local lock_timeout = '2s'; set search_path to app, public; reset search_path;",
    "select pg_catalog.set_config('search_path', '', false);",
    "set role app; reset role; lock table t in access exclusive mode nowait;",
    "select a[1:2], b -> 'c' #>> '{d}', x::numeric(10, 2), - -1, 1_000, 0x1F from t;",
    "create subscription s connection 'x' publication p with (connect = false);",
    "create subscription s connection 'x' publication p with (create_slot = false, enabled);",
    "alter subscription s set publication p with (refresh = false); alter subscription s disable;",
    "alter database d set search_path = app; alter database d connection limit 5;",
    "copy t (a, b) from '/srv/t.csv' with (format csv, header); copy t to program 'cat';",
    "explain analyze select 1; prepare q as select $1; execute q(1); deallocate q;",
    "discard plans; discard temp; listen x; notify x, 'COMMIT'; checkpoint;",
    "select 1 end; select commit from t; select \"begin\" from \"commit\";",
    "create schema app create table t (a int) create view v as select 1;",
    "security label on table t is 'COMMIT;'; analyze t;",
];

/// What is refused: the file, the code, the line and column.
const REFUSED: &[(&str, &str, u32, u32)] = &[
    ("", "changes.sql_empty", 1, 1),
    (" \r\n;; -- select 1\n/* select 2 */;", "changes.sql_empty", 1, 1),
    ("\u{feff}select 1", "changes.sql_bom", 1, 1),
    ("select 1;\nselect '\0'", "changes.sql_nul", 2, 9),
    ("select 1;\nselekt 2;", "changes.sql_syntax", 2, 1),
    ("select 'open", "changes.sql_syntax", 1, 8),
    ("select $$open", "changes.sql_syntax", 1, 8),
    ("select 1 /* open", "changes.sql_syntax", 1, 10),
    ("create table t (a int;", "changes.sql_syntax", 1, 22),
    ("\\d t", "changes.sql_syntax", 1, 1),
    ("select 1;\n\\i other.sql\n", "changes.sql_syntax", 2, 1),
    ("select 1; \u{feff} select 2;", "changes.sql_syntax", 1, 11),
    ("create function f() returns int language sql as $$ selekt $$;", "changes.sql_syntax", 1, 52),
    ("select E'a'\n 'b\\'';commit;--'", "changes.sql_ambiguous_string", 2, 2),
    ("select E'a' -- c\n 'b'\n '\\'", "changes.sql_ambiguous_string", 3, 2),
    ("begin; select 1; commit;", "changes.sql_transaction_control", 1, 1),
    (
        "select 'é';\r\n  BEGIN ISOLATION LEVEL SERIALIZABLE;",
        "changes.sql_transaction_control",
        2,
        3,
    ),
    ("start transaction", "changes.sql_transaction_control", 1, 1),
    ("select 'é'; commit and chain", "changes.sql_transaction_control", 1, 13),
    ("select 1; end", "changes.sql_transaction_control", 1, 11),
    ("rollback work", "changes.sql_transaction_control", 1, 1),
    ("abort", "changes.sql_transaction_control", 1, 1),
    ("savepoint a", "changes.sql_transaction_control", 1, 1),
    ("rollback to savepoint a", "changes.sql_transaction_control", 1, 1),
    ("release a", "changes.sql_transaction_control", 1, 1),
    ("prepare transaction 'x'", "changes.sql_transaction_control", 1, 1),
    ("commit prepared 'x'", "changes.sql_transaction_control", 1, 1),
    ("rollback prepared 'x'", "changes.sql_transaction_control", 1, 1),
    ("/* x */ Co/**/mmit", "changes.sql_syntax", 1, 9),
    ("/*/**/*/COMMIT", "changes.sql_transaction_control", 1, 9),
    ("select 'a\\';commit;--'", "changes.sql_transaction_control", 1, 13),
    ("select a$$;commit;select $$;", "changes.sql_syntax", 1, 26),
    ("-- one\rcommit;", "changes.sql_transaction_control", 1, 8),
    ("create index concurrently i on t (a)", "changes.sql_not_transactional", 1, 1),
    ("create unique index concurrently on t (a)", "changes.sql_not_transactional", 1, 1),
    ("drop index concurrently if exists i", "changes.sql_not_transactional", 1, 1),
    ("reindex table concurrently t", "changes.sql_not_transactional", 1, 1),
    ("reindex (verbose, concurrently) index i", "changes.sql_not_transactional", 1, 1),
    ("reindex (concurrently true) table t", "changes.sql_not_transactional", 1, 1),
    ("reindex database d", "changes.sql_not_transactional", 1, 9),
    ("reindex schema s", "changes.sql_not_transactional", 1, 9),
    ("reindex system d", "changes.sql_not_transactional", 1, 9),
    ("vacuum (analyze) t", "changes.sql_not_transactional", 1, 1),
    ("create database d", "changes.sql_not_transactional", 1, 1),
    ("drop database if exists d", "changes.sql_not_transactional", 1, 1),
    ("create tablespace x location '/x'", "changes.sql_not_transactional", 1, 1),
    ("drop tablespace x", "changes.sql_not_transactional", 1, 1),
    ("alter system set work_mem = '1MB'", "changes.sql_not_transactional", 1, 1),
    ("alter database d set tablespace x", "changes.sql_not_transactional", 1, 1),
    ("alter table t detach partition p concurrently", "changes.sql_not_transactional", 1, 34),
    ("cluster", "changes.sql_not_transactional", 1, 1),
    ("cluster verbose", "changes.sql_not_transactional", 1, 1),
    ("cluster (verbose)", "changes.sql_not_transactional", 1, 1),
    ("create subscription s connection 'x' publication p", "changes.sql_not_transactional", 1, 1),
    ("drop subscription s", "changes.sql_not_transactional", 1, 1),
    ("alter subscription s refresh publication", "changes.sql_not_transactional", 1, 22),
    ("alter subscription s add publication p", "changes.sql_not_transactional", 1, 22),
    ("discard all", "changes.sql_not_transactional", 1, 9),
    ("select 1;\ncopy t from stdin;\n1\t2\n\\.\n", "changes.sql_copy_stdin", 2, 13),
    ("copy (select 1) to stdout with (format csv)", "changes.sql_copy_stdin", 1, 20),
    ("select * from countersign.journal", "changes.sql_touches_journal", 1, 15),
    ("select * from \"countersign\" . journal", "changes.sql_touches_journal", 1, 15),
    ("select * from /**/ CounterSign\n.journal", "changes.sql_touches_journal", 1, 20),
    ("select * from d.countersign.j", "changes.sql_touches_journal", 1, 17),
    ("select * from U&\"\\0063ountersign\".j", "changes.sql_touches_journal", 1, 15),
    ("select * from U&\"!0063ountersign\" UESCAPE '!' .j", "changes.sql_touches_journal", 1, 15),
    ("create schema countersign", "changes.sql_touches_journal", 1, 15),
    ("create schema authorization countersign", "changes.sql_touches_journal", 1, 29),
    ("drop schema if exists a, countersign cascade", "changes.sql_touches_journal", 1, 26),
    ("alter schema countersign rename to x", "changes.sql_touches_journal", 1, 14),
    ("alter schema x rename to countersign", "changes.sql_touches_journal", 1, 26),
    ("alter table t set schema countersign", "changes.sql_touches_journal", 1, 26),
    ("grant all on schema countersign to bob", "changes.sql_touches_journal", 1, 21),
    ("revoke all on all tables in schema countersign from x", "changes.sql_touches_journal", 1, 36),
    ("set search_path to public, countersign", "changes.sql_touches_journal", 1, 28),
    ("set search_path = public, 'countersign'", "changes.sql_touches_journal", 1, 27),
    ("set local search_path = '\"countersign\"'", "changes.sql_touches_journal", 1, 25),
    ("set schema 'countersign'", "changes.sql_touches_journal", 1, 12),
    (
        "select set_config('search_path', 'a, countersign', true)",
        "changes.sql_touches_journal",
        1,
        34,
    ),
    ("alter role bob set search_path = E'counter\\x73ign'", "changes.sql_touches_journal", 1, 34),
    ("select nextval('Countersign.s')", "changes.sql_touches_journal", 1, 16),
    ("select $$countersign.j$$::pg_catalog.regclass", "changes.sql_touches_journal", 1, 8),
    ("select cast('countersign.f(int)' as regprocedure)", "changes.sql_touches_journal", 1, 13),
    ("select regclass 'countersign.j'", "changes.sql_touches_journal", 1, 17),
    ("do $$ begin delete from countersign.journal; end $$", "changes.sql_touches_journal", 1, 4),
    (
        "create function f() returns int language sql as 'select countersign.f()'",
        "changes.sql_touches_journal",
        1,
        49,
    ),
    ("drop owned by bob, current_user", "changes.sql_touches_journal", 1, 1),
    ("reassign owned by session_user to bob", "changes.sql_touches_journal", 1, 1),
    ("select 1; commit; drop schema countersign", "changes.sql_transaction_control", 1, 11),
];

#[test]
fn a_usual_file_is_one_transactional_step_of_its_exact_bytes() {
    for file in TAKEN {
        let steps = cut(file.as_bytes()).unwrap_or_else(|refusal| panic!("{file}\n{refusal}"));
        assert_eq!(steps.len(), 1, "{file}");
        assert_eq!(steps[0].ordinal, 1);
        assert_eq!(steps[0].range, 0..file.len());
        assert!(steps[0].transactional);
        assert_eq!(steps[0].sha256, hex::encode(Sha256::digest(file.as_bytes())));
    }
}

#[test]
fn all_usual_files_together_are_still_one_step() {
    let file = TAKEN.join("\n;\r\n");
    let steps = cut(file.as_bytes()).expect("one step");
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].range, 0..file.len());
}

#[test]
fn what_cannot_run_in_our_transaction_is_refused_by_name_and_place() {
    for (file, code, line, column) in REFUSED {
        let refusal = cut(file.as_bytes()).expect_err(file);
        assert_eq!(refusal.code(), *code, "{file}\n{refusal}");
        assert_eq!(refusal.place(), Place { line: *line, column: *column }, "{file}\n{refusal}");
        assert!(CutError::CODES.contains(code));
    }
}

#[test]
fn a_refused_statement_is_found_after_any_usual_file() {
    for file in TAKEN {
        let refusal = cut(format!("{file}\n; VACUUM;").as_bytes()).expect_err(file);
        assert_eq!(refusal.code(), "changes.sql_not_transactional", "{file}");
    }
}

#[test]
fn every_code_is_given_by_some_file() {
    let mut given: Vec<&str> = REFUSED.iter().map(|(_, code, ..)| *code).collect();
    given.push(cut(&vec![b' '; MAX_FILE_BYTES + 1]).expect_err("too large").code());
    given.push(cut(b"select '\xff'").expect_err("not UTF-8").code());
    given.push(cut("(".repeat(100_000).as_bytes()).expect_err("too deep").code());
    for code in CutError::CODES {
        assert!(given.contains(code), "{code}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_where_they_stand() {
    let refusal = cut(b"select 1;\n\xc3\xa9 \xe9").expect_err("not UTF-8");
    assert_eq!(refusal, CutError::NotUtf8 { place: Place { line: 2, column: 3 } });
}

#[test]
fn the_largest_file_is_taken_and_one_byte_more_is_not() {
    let mut file = b"select 1;\n".to_vec();
    file.resize(MAX_FILE_BYTES, b'\n');
    assert!(cut(&file).is_ok());
    file.push(b'\n');
    assert_eq!(cut(&file), Err(CutError::TooLarge { bytes: MAX_FILE_BYTES + 1 }));
}

#[test]
fn no_nesting_exhausts_the_stack() {
    for (open, repeated) in [
        ("select ", "("),
        ("select ", "- "),
        ("select 1", "+1"),
        ("select 1", "::int"),
        ("select a", "[1]"),
        ("select 1, 2", " union select 1, 2"),
        ("select * from a", " join b on true"),
        ("", "explain "),
        ("select ", "case when "),
    ] {
        for count in [200, 1_900, 150_000] {
            let file = format!("{open}{}", repeated.repeat(count));
            let deep = cut(file.as_bytes());
            if count == 150_000 {
                assert!(matches!(deep, Err(CutError::TooDeep { .. })), "{open}{repeated}");
            }
        }
        let body = format!(
            "create function f() returns int language sql as $$ {open}{} $$;",
            repeated.repeat(50_000)
        );
        assert!(matches!(cut(body.as_bytes()), Err(CutError::TooDeep { .. })), "{open}{repeated}");
    }
    let nested = format!("select {}1{};", "(".repeat(1_500), ")".repeat(1_500));
    assert!(cut(nested.as_bytes()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_text_is_cut_whole_or_refused(text in "\\PC{0,200}") {
        if let Ok(steps) = cut(text.as_bytes()) {
            let joined: Vec<u8> = steps.iter().flat_map(|step| text.as_bytes()[step.range.clone()].to_vec()).collect();
            prop_assert_eq!(joined, text.as_bytes());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _refused_or_not = cut(&bytes).is_ok();
    }

    #[test]
    fn words_of_sql_in_any_order_are_cut_whole_or_refused(
        words in proptest::collection::vec(proptest::sample::select(&[
            "select", "create", "table", "index", "concurrently", "(", ")", ",", ";", "'a'", "E'\\''", "$$", "$a$",
            "--", "\n", "/*", "*/", "begin", "atomic", "end", "function", "language", "sql", "as", "do", "countersign",
            ".", "\"", "U&\"", "UESCAPE", "::", "regclass", "case", "when", "copy", "from", "stdin", "1", "t", "union",
        ][..]), 0..60)
    ) {
        let text = words.join(" ");
        if let Ok(steps) = cut(text.as_bytes()) {
            let joined: Vec<u8> = steps.iter().flat_map(|step| text.as_bytes()[step.range.clone()].to_vec()).collect();
            prop_assert_eq!(joined, text.as_bytes());
        }
    }
}
