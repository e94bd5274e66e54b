//! A role's search path that leads to look-alikes of the operators and functions of the catalog.

use crate::site::{SQL, Site};

/// Look-alikes that note every call.
const HOSTILE: &str = "
create table public.log (what text);
create schema evil2;
create function evil2.eq(text, text) returns boolean language plpgsql as
    $$ begin insert into public.log values ('='); return $1 operator(pg_catalog.=) $2; end $$;
create function evil2.ne(text, text) returns boolean language plpgsql as
    $$ begin insert into public.log values ('<>'); return $1 operator(pg_catalog.<>) $2; end $$;
create function evil2.eq(name, text) returns boolean language plpgsql as
    $$ begin insert into public.log values ('name='); return $1 operator(pg_catalog.=) $2; end $$;
create function evil2.eq(name, name) returns boolean language plpgsql as
    $$ begin insert into public.log values ('name=name'); return $1 operator(pg_catalog.=) $2; end $$;
create function evil2.ne(name, name) returns boolean language plpgsql as
    $$ begin insert into public.log values ('name<>name'); return $1 operator(pg_catalog.<>) $2; end $$;
create function evil2.eq(oid, oid) returns boolean language plpgsql as
    $$ begin insert into public.log values ('oid'); return $1 operator(pg_catalog.=) $2; end $$;
create function evil2.join(text, text) returns text language plpgsql as
    $$ begin insert into public.log values ('||'); return pg_catalog.concat($1, $2); end $$;
create operator evil2.= (leftarg = text, rightarg = text, function = evil2.eq);
create operator evil2.<> (leftarg = text, rightarg = text, function = evil2.ne);
create operator evil2.= (leftarg = name, rightarg = text, function = evil2.eq);
create operator evil2.= (leftarg = name, rightarg = name, function = evil2.eq);
create operator evil2.<> (leftarg = name, rightarg = name, function = evil2.ne);
create operator evil2.= (leftarg = oid, rightarg = oid, function = evil2.eq);
create operator evil2.|| (leftarg = text, rightarg = text, function = evil2.join);
create function evil2.now() returns timestamptz language plpgsql as
    $$ begin insert into public.log values ('now'); return pg_catalog.now(); end $$;
create function evil2.current_schemas(boolean) returns name[] language plpgsql as
    $$ begin insert into public.log values ('current_schemas'); return pg_catalog.current_schemas($1); end $$;
create function evil2.set_config(text, text, boolean) returns text language plpgsql as
    $$ begin insert into public.log values ('set_config'); return pg_catalog.set_config($1, $2, $3); end $$;
create function evil2.pg_xact_status(xid8) returns text language plpgsql as
    $$ begin insert into public.log values ('pg_xact_status'); return 'aborted'; end $$;
";

async fn log(site: &Site) -> anyhow::Result<i64> {
    site.number("select pg_catalog.count(*) from public.log").await
}

#[tokio::test]
async fn a_hostile_search_path_of_the_role_gets_nothing_of_ours_to_run() {
    let site = Site::start("hostile", "").await.unwrap();
    site.execute(HOSTILE).await.unwrap();
    let path = "alter role edge in database hostile set search_path = evil2, pg_catalog, public";
    site.execute(path).await.unwrap();
    let works = "select pg_catalog.count(*) from pg_catalog.pg_class where relname = 'log'::name";
    site.execute(works).await.unwrap();
    assert!(log(&site).await.unwrap() > 0, "the test would prove nothing otherwise");
    site.execute("truncate public.log").await.unwrap();

    let sql = "create table public.orders (id int)";
    let message = site.message("hostile", sql, 1).await.unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_eq!(site.work(&message).await.unwrap().answer, told.answer);
    let told = site.migrate("failing", "select 1/0", 2).await.unwrap();
    assert_eq!(told.words(), "failed_clean 22012");
    assert_eq!(log(&site).await.unwrap(), 0);

    let sql = "create table here (id int); select 'a'::text = 'b'::text";
    let told = site.migrate("the file does meet it", sql, 3).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_eq!(log(&site).await.unwrap(), 1);
    assert_eq!(site.number("select pg_catalog.count(*) from evil2.here").await.unwrap(), 0);
}

#[tokio::test]
async fn a_role_s_path_over_the_journal_is_given_without_it() {
    let site = Site::start("journal_on_path", "").await.unwrap();
    site.execute("create schema \"Odd \"\"name\"").await.unwrap();
    let path = "alter role edge in database journal_on_path \
                set search_path = countersign, \"Odd \"\"name\", public";
    site.execute(path).await.unwrap();
    assert_eq!(site.migrate("on path", SQL, 1).await.unwrap().words(), "succeeded");
    let there = "select count(*) from pg_tables \
                 where schemaname = 'Odd \"name' and tablename = 'orders'";
    assert_eq!(site.number(there).await.unwrap(), 1);
}
