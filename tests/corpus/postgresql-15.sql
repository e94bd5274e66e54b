--
-- PostgreSQL database dump
--

\restrict countersign


SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: public; Type: SCHEMA; Schema: -; Owner: -
--

-- *not* creating schema, since initdb creates it


--
-- Name: SCHEMA public; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA public IS '';


--
-- Name: reporting; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA reporting;


--
-- Name: btree_gist; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;


--
-- Name: EXTENSION btree_gist; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION btree_gist IS 'support for indexing common datatypes in GiST';


--
-- Name: citext; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;


--
-- Name: EXTENSION citext; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION citext IS 'data type for case-insensitive character strings';


--
-- Name: pg_trgm; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;


--
-- Name: EXTENSION pg_trgm; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';


--
-- Name: country_code; Type: DOMAIN; Schema: public; Owner: -
--

CREATE DOMAIN public.country_code AS character(2)
	CONSTRAINT country_code_check CHECK ((VALUE ~ '^[A-Z]{2}$'::text));


--
-- Name: money_amount; Type: DOMAIN; Schema: public; Owner: -
--

CREATE DOMAIN public.money_amount AS numeric(14,2)
	CONSTRAINT money_amount_check CHECK ((VALUE >= (0)::numeric));


--
-- Name: order_state; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.order_state AS ENUM (
    'new',
    'paid',
    'shipped',
    'returned'
);


--
-- Name: TYPE order_state; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TYPE public.order_state IS 'life of an order';


--
-- Name: postal_address; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.postal_address AS (
	street text,
	city text,
	country public.country_code
);


--
-- Name: archive_orders(date); Type: PROCEDURE; Schema: public; Owner: -
--

CREATE PROCEDURE public.archive_orders(IN before date)
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM orders WHERE placed_at < before;
END
$$;


--
-- Name: describe(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.describe(what text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT
    AS $_$
DECLARE
    said text;
BEGIN
    EXECUTE $inner$ SELECT 'it''s ' || $1 || ';' $inner$ INTO said USING what;
    RETURN said;
END
$_$;


--
-- Name: longer(text, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.longer(a text, b text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT CASE WHEN length(a) >= length(b) THEN a ELSE b END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: orders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.orders (
    id bigint NOT NULL,
    customer_id bigint NOT NULL,
    state public.order_state DEFAULT 'new'::public.order_state NOT NULL,
    total public.money_amount NOT NULL,
    ship_to public.country_code NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    tags text[] DEFAULT ARRAY[]::text[] NOT NULL,
    placed_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: order_count(bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.order_count(customer bigint) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT count(*) AS count FROM public.orders WHERE (orders.customer_id = order_count.customer));


--
-- Name: FUNCTION order_count(customer bigint); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.order_count(customer bigint) IS 'how many';


--
-- Name: order_count(bigint, public.order_state); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.order_count(customer bigint, wanted public.order_state) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$SELECT count(*) FROM orders WHERE customer_id = customer AND state = wanted$$;


--
-- Name: touch_updated_at(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
BEGIN
    -- A semicolon; a quote ' and a dollar $ inside a body are the body's.
    NEW.updated_at := now();
    RETURN NEW;
END;
$_$;


--
-- Name: longest(text); Type: AGGREGATE; Schema: public; Owner: -
--

CREATE AGGREGATE public.longest(text) (
    SFUNC = public.longer,
    STYPE = text,
    INITCOND = ''
);


--
-- Name: <#>; Type: OPERATOR; Schema: public; Owner: -
--

CREATE OPERATOR public.<#> (
    FUNCTION = public.longer,
    LEFTARG = text,
    RIGHTARG = text
);


--
-- Name: Größen; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public."Größen" (
    "länge" integer,
    "größe" text DEFAULT 'maß'::text,
    "名前" text
);


--
-- Name: TABLE "Größen"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public."Größen" IS 'Ünïcödé – „Anführung“, 日本語, emoji 🐘';


--
-- Name: audit; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    happened tstzrange,
    free tstzmultirange,
    "position" point,
    network inet,
    weight interval day to second(3),
    search tsvector GENERATED ALWAYS AS (to_tsvector('english'::regconfig, COALESCE(note, ''::text))) STORED,
    note text COLLATE pg_catalog."C"
);


--
-- Name: bookings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.bookings (
    room integer NOT NULL,
    during tstzrange NOT NULL,
    CONSTRAINT bookings_not_empty CHECK ((NOT isempty(during)))
);


--
-- Name: commented; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commented (
    id integer NOT NULL
);


--
-- Name: customers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customers (
    id bigint NOT NULL,
    email text NOT NULL,
    full_name text DEFAULT 'unknown'::text NOT NULL,
    born_on date,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    address public.postal_address,
    email_domain text GENERATED ALWAYS AS (split_part(email, '@'::text, 2)) STORED,
    CONSTRAINT customers_born_on_check CHECK ((born_on > '1900-01-01'::date)),
    CONSTRAINT customers_full_name_check CHECK (((length(full_name) >= 1) AND (length(full_name) <= 200)))
);


--
-- Name: TABLE customers; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.customers IS 'People who buy; "quoted", it''s commented';


--
-- Name: COLUMN customers.email; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.email IS 'one per person
lower case';


--
-- Name: customers_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.customers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.customers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE UNLOGGED TABLE public.events (
    at timestamp with time zone DEFAULT clock_timestamp(),
    kind "char",
    payload bytea
);


--
-- Name: invoices; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.invoices (
    number bigint NOT NULL,
    for_order bigint
);


--
-- Name: invoice_number; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.invoice_number
    START WITH 100
    INCREMENT BY 10
    MINVALUE 100
    MAXVALUE 100000
    CACHE 5
    CYCLE;


--
-- Name: invoice_number; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.invoice_number OWNED BY public.invoices.number;


--
-- Name: ledger_entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_entries (
    region text NOT NULL,
    id uuid NOT NULL,
    amount public.money_amount NOT NULL
)
PARTITION BY LIST (region);


--
-- Name: ledger_entries_eu; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_entries_eu (
    region text NOT NULL,
    id uuid NOT NULL,
    amount public.money_amount NOT NULL
)
PARTITION BY HASH (id);


--
-- Name: ledger_entries_eu_0; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_entries_eu_0 (
    region text NOT NULL,
    id uuid NOT NULL,
    amount public.money_amount NOT NULL
);


--
-- Name: ledger_entries_eu_1; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_entries_eu_1 (
    region text NOT NULL,
    id uuid NOT NULL,
    amount public.money_amount NOT NULL
);


--
-- Name: measurements; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.measurements (
    device_id bigint NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    reading double precision
)
PARTITION BY RANGE (taken_at);


--
-- Name: measurements_2025; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.measurements_2025 (
    device_id bigint NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    reading double precision
);


--
-- Name: measurements_2026; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.measurements_2026 (
    device_id bigint NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    reading double precision
);


--
-- Name: measurements_else; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.measurements_else (
    device_id bigint NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    reading double precision
);


--
-- Name: new_orders; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.new_orders AS
 SELECT orders.id,
    orders.state
   FROM public.orders
  WHERE (orders.state = 'new'::public.order_state)
  WITH CASCADED CHECK OPTION;


--
-- Name: nodes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.nodes (
    id integer NOT NULL,
    parent integer
);


--
-- Name: node_paths; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.node_paths AS
 WITH RECURSIVE node_paths(id, path) AS (
         SELECT nodes.id,
            ARRAY[nodes.id] AS "array"
           FROM public.nodes
          WHERE (nodes.parent IS NULL)
        UNION ALL
         SELECT n.id,
            (p.path || n.id)
           FROM (public.nodes n
             JOIN node_paths p ON ((n.parent = p.id)))
        )
 SELECT node_paths.id,
    node_paths.path
   FROM node_paths;


--
-- Name: open_orders; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.open_orders WITH (security_barrier='true') AS
 SELECT o.id,
    o.total,
    c.email
   FROM (public.orders o
     JOIN public.customers c ON ((c.id = o.customer_id)))
  WHERE (o.state = ANY (ARRAY['new'::public.order_state, 'paid'::public.order_state]));


--
-- Name: orders_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.orders ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.orders_id_seq
    START WITH 1000
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: parts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.parts (
    id integer NOT NULL,
    supplier_id integer NOT NULL,
    sku character varying(32) NOT NULL
);


--
-- Name: parts_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.parts_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: parts_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.parts_id_seq OWNED BY public.parts.id;


--
-- Name: region_far_west; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.region_far_west (
    id integer NOT NULL,
    note text
);


--
-- Name: region_north; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.region_north (
    id integer NOT NULL
);


--
-- Name: region_south; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.region_south (
    id bigint NOT NULL,
    note text
);
ALTER TABLE ONLY public.region_south ALTER COLUMN note SET STORAGE EXTERNAL;


--
-- Name: sales_by_country; Type: MATERIALIZED VIEW; Schema: public; Owner: -
--

CREATE MATERIALIZED VIEW public.sales_by_country AS
 SELECT orders.ship_to,
    date_trunc('month'::text, orders.placed_at) AS month,
    (sum((orders.total)::numeric))::numeric(16,2) AS sold
   FROM public.orders
  GROUP BY orders.ship_to, (date_trunc('month'::text, orders.placed_at))
  WITH NO DATA;


--
-- Name: suppliers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.suppliers (
    id integer NOT NULL,
    name public.citext NOT NULL
);


--
-- Name: suppliers_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.suppliers_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: suppliers_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.suppliers_id_seq OWNED BY public.suppliers.id;


--
-- Name: texts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.texts (
    plain text DEFAULT 'it''s; fine'::text,
    escaped text DEFAULT 'tab	quote'' backslash\'::text,
    unicode text DEFAULT 'é🐘'::text,
    bits bit varying DEFAULT '1010'::"bit",
    dollars text DEFAULT ' ''quoted''; $$ inside $$ '::text,
    "Odd ""name""; here" text
);


--
-- Name: vehicles; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.vehicles (
    id integer,
    wheels smallint
);


--
-- Name: trucks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.trucks (
    payload_kg numeric
)
INHERITS (public.vehicles);


--
-- Name: windows_lines; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.windows_lines (
    id integer NOT NULL,
    note text DEFAULT 'a
b'::text
);


--
-- Name: TABLE windows_lines; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.windows_lines IS 'first
second';


--
-- Name: snapshots; Type: TABLE; Schema: reporting; Owner: -
--

CREATE TABLE reporting.snapshots (
    taken_on date NOT NULL,
    body jsonb
);


--
-- Name: latest; Type: VIEW; Schema: reporting; Owner: -
--

CREATE VIEW reporting.latest AS
 SELECT snapshots.taken_on,
    snapshots.body
   FROM reporting.snapshots
  ORDER BY snapshots.taken_on DESC
 LIMIT 1;


--
-- Name: ledger_entries_eu; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_entries ATTACH PARTITION public.ledger_entries_eu FOR VALUES IN ('de', 'fr', 'it');


--
-- Name: ledger_entries_eu_0; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_entries_eu ATTACH PARTITION public.ledger_entries_eu_0 FOR VALUES WITH (modulus 2, remainder 0);


--
-- Name: ledger_entries_eu_1; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_entries_eu ATTACH PARTITION public.ledger_entries_eu_1 FOR VALUES WITH (modulus 2, remainder 1);


--
-- Name: measurements_2025; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.measurements ATTACH PARTITION public.measurements_2025 FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2026-01-01 00:00:00+00');


--
-- Name: measurements_2026; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.measurements ATTACH PARTITION public.measurements_2026 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');


--
-- Name: measurements_else; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.measurements ATTACH PARTITION public.measurements_else DEFAULT;


--
-- Name: invoices number; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invoices ALTER COLUMN number SET DEFAULT nextval('public.invoice_number'::regclass);


--
-- Name: parts id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.parts ALTER COLUMN id SET DEFAULT nextval('public.parts_id_seq'::regclass);


--
-- Name: suppliers id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.suppliers ALTER COLUMN id SET DEFAULT nextval('public.suppliers_id_seq'::regclass);


--
-- Name: audit audit_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);


--
-- Name: bookings bookings_room_during_excl; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT bookings_room_during_excl EXCLUDE USING gist (room WITH =, during WITH &&);


--
-- Name: commented commented_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commented
    ADD CONSTRAINT commented_pkey PRIMARY KEY (id);


--
-- Name: customers customers_email_unique; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_email_unique UNIQUE (email);


--
-- Name: customers customers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);


--
-- Name: invoices invoices_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (number);


--
-- Name: measurements measurements_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.measurements
    ADD CONSTRAINT measurements_pkey PRIMARY KEY (device_id, taken_at);


--
-- Name: measurements_2025 measurements_2025_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.measurements_2025
    ADD CONSTRAINT measurements_2025_pkey PRIMARY KEY (device_id, taken_at);


--
-- Name: measurements_2026 measurements_2026_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.measurements_2026
    ADD CONSTRAINT measurements_2026_pkey PRIMARY KEY (device_id, taken_at);


--
-- Name: measurements_else measurements_else_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.measurements_else
    ADD CONSTRAINT measurements_else_pkey PRIMARY KEY (device_id, taken_at);


--
-- Name: nodes nodes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (id);


--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);


--
-- Name: parts parts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.parts
    ADD CONSTRAINT parts_pkey PRIMARY KEY (id);


--
-- Name: region_north region_north_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.region_north
    ADD CONSTRAINT region_north_pkey PRIMARY KEY (id);


--
-- Name: region_south region_south_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.region_south
    ADD CONSTRAINT region_south_pkey PRIMARY KEY (id);


--
-- Name: region_far_west region_west_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.region_far_west
    ADD CONSTRAINT region_west_pkey PRIMARY KEY (id);


--
-- Name: suppliers suppliers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.suppliers
    ADD CONSTRAINT suppliers_pkey PRIMARY KEY (id);


--
-- Name: windows_lines windows_lines_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.windows_lines
    ADD CONSTRAINT windows_lines_pkey PRIMARY KEY (id);


--
-- Name: snapshots snapshots_pkey; Type: CONSTRAINT; Schema: reporting; Owner: -
--

ALTER TABLE ONLY reporting.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (taken_on);


--
-- Name: audit_brin; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_brin ON public.audit USING brin (happened) WITH (pages_per_range='32');


--
-- Name: audit_network; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_network ON public.audit USING spgist (network);


--
-- Name: audit_search; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_search ON public.audit USING gin (search);


--
-- Name: customers_name_trgm; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customers_name_trgm ON public.customers USING gist (full_name public.gist_trgm_ops);


--
-- Name: measurements_reading; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX measurements_reading ON ONLY public.measurements USING btree (reading);


--
-- Name: measurements_2025_reading_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX measurements_2025_reading_idx ON public.measurements_2025 USING btree (reading);


--
-- Name: measurements_2026_reading_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX measurements_2026_reading_idx ON public.measurements_2026 USING btree (reading);


--
-- Name: measurements_else_reading_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX measurements_else_reading_idx ON public.measurements_else USING btree (reading);


--
-- Name: orders_customer_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_customer_id ON public.orders USING btree (customer_id);


--
-- Name: orders_details; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_details ON public.orders USING gin (details jsonb_path_ops);


--
-- Name: orders_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_open ON public.orders USING btree (placed_at DESC) WHERE (state <> 'shipped'::public.order_state);


--
-- Name: parts_sku; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX parts_sku ON public.parts USING btree (lower((sku)::text));


--
-- Name: sales_by_country_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX sales_by_country_key ON public.sales_by_country USING btree (ship_to, month);


--
-- Name: measurements_2025_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.measurements_pkey ATTACH PARTITION public.measurements_2025_pkey;


--
-- Name: measurements_2025_reading_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.measurements_reading ATTACH PARTITION public.measurements_2025_reading_idx;


--
-- Name: measurements_2026_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.measurements_pkey ATTACH PARTITION public.measurements_2026_pkey;


--
-- Name: measurements_2026_reading_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.measurements_reading ATTACH PARTITION public.measurements_2026_reading_idx;


--
-- Name: measurements_else_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.measurements_pkey ATTACH PARTITION public.measurements_else_pkey;


--
-- Name: measurements_else_reading_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.measurements_reading ATTACH PARTITION public.measurements_else_reading_idx;


--
-- Name: customers_stats; Type: STATISTICS; Schema: public; Owner: -
--

CREATE STATISTICS public.customers_stats (ndistinct, dependencies) ON email, full_name FROM public.customers;


--
-- Name: vehicles no_deletes; Type: RULE; Schema: public; Owner: -
--

CREATE RULE no_deletes AS
    ON DELETE TO public.vehicles DO INSTEAD NOTHING;


--
-- Name: orders orders_touch; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER orders_touch BEFORE UPDATE ON public.orders FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION public.touch_updated_at();


--
-- Name: nodes nodes_parent_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_parent_fkey FOREIGN KEY (parent) REFERENCES public.nodes(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: orders orders_customer_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON UPDATE CASCADE ON DELETE RESTRICT;


--
-- Name: parts parts_supplier; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.parts
    ADD CONSTRAINT parts_supplier FOREIGN KEY (supplier_id) REFERENCES public.suppliers(id);


--
-- Name: orders; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;

--
-- Name: orders orders_not_returned; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY orders_not_returned ON public.orders AS RESTRICTIVE FOR UPDATE USING ((state <> 'returned'::public.order_state)) WITH CHECK (((total)::numeric >= (0)::numeric));


--
-- Name: orders orders_of_own_country; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY orders_of_own_country ON public.orders FOR SELECT USING (((ship_to)::text = current_setting('app.country'::text, true)));


--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: -
--

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO PUBLIC;


--
-- Name: FUNCTION describe(what text); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.describe(what text) FROM PUBLIC;


--
-- Name: TABLE orders; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.orders TO PUBLIC;


--
-- Name: TABLE customers; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.customers TO PUBLIC;


--
-- Name: DEFAULT PRIVILEGES FOR TABLES; Type: DEFAULT ACL; Schema: reporting; Owner: -
--

ALTER DEFAULT PRIVILEGES FOR ROLE shop IN SCHEMA reporting GRANT SELECT ON TABLES  TO PUBLIC;


--
-- PostgreSQL database dump complete
--

\unrestrict countersign

