-- +goose Up

-- watchgate_expect aborts the transaction when a statement touched another
-- number of rows than it must: the server sends a whole unit of work at once,
-- and cannot look at one statement's answer before it sends the next. SQLSTATE
-- WG001 is this program's own (class WG is nobody's).
-- +goose StatementBegin
CREATE FUNCTION watchgate_expect(n bigint, want bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF n <> want THEN
        RAISE EXCEPTION 'watchgate: % rows where % were expected', n, want USING ERRCODE = 'WG001';
    END IF;
    RETURN true;
END
$$;
-- +goose StatementEnd

-- The server's role owns no table, so it cannot make or drop partitions; these
-- two functions do only that, as the owner. Their search_path is fixed: a caller's
-- must not choose which tables an owner's function means. Both are created in
-- the schema of the tables.
-- +goose StatementBegin
DO $migrate$
BEGIN

-- watchgate_partition makes the partitions of one table for the buckets from
-- first to last. A partition is built aside and then attached, which does not
-- stop readers or writers of the table, as CREATE ... PARTITION OF would. Whoever
-- got the advisory lock after waiting for it asks the catalogue by a query:
-- to_regclass may answer from what this session remembered before the wait.
EXECUTE format($define$
CREATE FUNCTION watchgate_partition(parent text, first bigint, last bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, %1$I, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    width  bigint := CASE parent WHEN 'access_tokens' THEN 1 WHEN 'codes' THEN 1 WHEN 'refresh_tokens' THEN 24 END;
    low    bigint := first - first %% width;
    made   integer := 0;
    locked boolean := false;
    part   text;
BEGIN
    IF width IS NULL OR last - first > 24 * 400 THEN
        RAISE EXCEPTION 'watchgate: no such partitions' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WHILE low <= last LOOP
        part := parent || '_p' || low;
        IF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = %1$L AND c.relname = part) THEN
            low := low + width;
        ELSIF NOT locked THEN
            PERFORM pg_advisory_xact_lock(hashtext('watchgate_partition'));
            locked := true;
        ELSE
            EXECUTE format('CREATE TABLE %%I.%%I (LIKE %%I.%%I INCLUDING ALL)', %1$L, part, %1$L, parent);
            EXECUTE format('ALTER TABLE %%I.%%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', %1$L, part);
            EXECUTE format('ALTER TABLE %%I.%%I ATTACH PARTITION %%I.%%I FOR VALUES FROM (%%s) TO (%%s)',
                %1$L, parent, %1$L, part, low, low + width);
            low := low + width;
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$ $define$, current_schema());

-- watchgate_drop_partition drops the oldest partition of which every bucket is
-- less than bound, and returns its name, or NULL when there is none or somebody
-- else makes or drops partitions. One for each call: dropping locks the whole
-- table until the end of the transaction. All who use the table queue up behind
-- an attempt to get that lock while a long reader (a backup) has the table, so the
-- attempt is short, and fails (lock_not_available).
EXECUTE format($define$
CREATE FUNCTION watchgate_drop_partition(bound bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, %1$I, pg_temp SET lock_timeout = '30ms' AS $$
DECLARE
    part text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('watchgate_partition')) THEN
        RETURN NULL;
    END IF;
    SELECT c.relname INTO part
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_namespace n ON n.oid = p.relnamespace AND n.nspname = %1$L
    WHERE p.relname IN ('access_tokens', 'codes', 'refresh_tokens')
      AND substring(c.relname FROM '_p([0-9]+)$')::bigint + CASE p.relname WHEN 'refresh_tokens' THEN 24 ELSE 1 END <= bound
    ORDER BY substring(c.relname FROM '_p([0-9]+)$')::bigint LIMIT 1;
    IF part IS NOT NULL THEN
        EXECUTE format('DROP TABLE %%I.%%I', %1$L, part);
    END IF;
    RETURN part;
END
$$ $define$, current_schema());

END
$migrate$;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION watchgate_partition(text, bigint, bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION watchgate_drop_partition(bigint) FROM PUBLIC;
