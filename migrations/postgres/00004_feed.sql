-- +goose Up
-- What nodes that remember answers need: what changed, and who has to know. Both
-- tables belong to the platform. No statement of a tenant's handle reads them;
-- a change says its tenant in a column of its own name (tenant), because a node
-- reads the changes of all.

-- A change is a row of the transaction that made it. xid is that transaction: what
-- a snapshot includes is compared with it, because the order of commits is not
-- that of any number that a transaction can draw. Rows live for about a minute, so
-- that vacuum has to come by rows and not by a share of the table.
CREATE TABLE changes (
    xid    xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind   TEXT COLLATE "C" NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL, -- '' for what belongs to the platform
    id     TEXT COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0);
CREATE INDEX changes_xid ON changes (xid);

-- A node is one process that remembers, and each time it joins is a membership of
-- its own, with a number that grows. Room is left on each page, so that a record
-- rewrites no index.
CREATE TABLE nodes (
    id          TEXT COLLATE "C" NOT NULL,
    incarnation BIGINT NOT NULL,
    applied     pg_snapshot NOT NULL, -- it has applied every change that this includes
    beat        BIGINT NOT NULL,      -- grows by one with every record
    PRIMARY KEY (id, incarnation)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

GRANT SELECT, INSERT, DELETE ON changes TO watchgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON nodes TO watchgate_app;
