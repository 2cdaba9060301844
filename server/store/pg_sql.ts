/**
 * What a cell keeps in PostgreSQL, and the functions that change it. Only SQL that YugabyteDB has
 * too. The functions carry the schema's version in their names, so that programs of two versions
 * can work on one store during an upgrade.
 *
 * | table | row |
 * | --- | --- |
 * | `roost_shard` | who owns a shard, at which epoch, and the head of its log |
 * | `roost_log` | a record of a shard's log |
 * | `roost_row` | a row by its encoded key: checkpoints, registers, what is of no shard |
 */

/** Version of the schema that this program makes. It refuses newer ones. */
export const SCHEMA_VERSION = 1;

/** Error states that the functions raise; the detail of `fenced` names the shards. */
export const RAISED = { fenced: "RF001", uncut: "RF002", conflict: "RF003" } as const;

/** Makes the tables. Not repeatable: a second run fails at the first table. */
export const TABLES = `
CREATE TABLE roost_schema (version int NOT NULL);
CREATE TABLE roost_shard (
  id int PRIMARY KEY,
  owner text,
  incarnation bigint NOT NULL,
  epoch bigint NOT NULL,
  start bigint NOT NULL,
  head bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE roost_log (
  shard int NOT NULL,
  lsn bigint NOT NULL,
  epoch bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (shard, lsn)
);
CREATE TABLE roost_row (key bytea PRIMARY KEY, value bytea NOT NULL);
INSERT INTO roost_schema VALUES (${SCHEMA_VERSION});
`;

/** Spares the engine the attempt to compress what is packed already; engines may lack it. */
export const STORAGE = "ALTER TABLE roost_log ALTER COLUMN body SET STORAGE EXTERNAL";

/**
 * The functions; repeatable. Bytes come as one `blob` with lengths: the driver sends it unchanged,
 * where it would write arrays of bytes as text.
 *
 * `roost_append` first advances the heads of the shards whose epochs and heads are as stated, and
 * refuses the whole append unless that were all of them. It must stay two statements: in one with
 * the insert, shards that were current would advance although others were not.
 */
export const FUNCTIONS = `
CREATE OR REPLACE FUNCTION roost_append_${SCHEMA_VERSION}(
  shards int[], epochs bigint[], froms bigint[], counts int[], lens int[], blob bytea
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE advanced int[];
BEGIN
  WITH moved AS (
    UPDATE roost_shard s SET head = w.first + w.records - 1
      FROM unnest(shards, epochs, froms, counts) w(shard, epoch, first, records)
     WHERE s.id = w.shard AND s.epoch = w.epoch AND s.head = w.first - 1
    RETURNING s.id
  ) SELECT coalesce(array_agg(id), '{}') INTO advanced FROM moved;
  IF cardinality(advanced) <> cardinality(shards) THEN
    RAISE EXCEPTION 'fenced' USING ERRCODE = '${RAISED.fenced}', DETAIL = (
      SELECT string_agg(id::text, ',') FROM unnest(shards) w(id) WHERE NOT id = ANY (advanced)
    );
  END IF;
  INSERT INTO roost_log (shard, lsn, epoch, body)
  SELECT shard, lsn, epoch, substring(blob FROM (ends - len + 1)::int FOR len) FROM (
    SELECT r.shard, r.lsn, r.epoch, l.len, sum(l.len) OVER (ORDER BY l.n) AS ends
      FROM (
        SELECT w.shard, w.epoch, w.first + i AS lsn, row_number() OVER (ORDER BY w.n, i) AS n
          FROM unnest(shards, epochs, froms, counts)
               WITH ORDINALITY w(shard, epoch, first, records, n),
               generate_series(0, w.records - 1) i
      ) r JOIN unnest(lens) WITH ORDINALITY l(len, n) ON l.n = r.n
  ) placed;
END $$;

CREATE OR REPLACE FUNCTION roost_put_${SCHEMA_VERSION}(
  key_lens int[], value_lens int[], blob bytea
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(key_lens) = 0 THEN RETURN; END IF;
  DELETE FROM roost_row r USING (
    SELECT substring(blob FROM (ends - key_len + 1)::int FOR key_len) AS key FROM (
      SELECT key_len, value_len, sum(key_len + greatest(value_len, 0)) OVER (ORDER BY n)
             - greatest(value_len, 0) AS ends
        FROM unnest(key_lens, value_lens) WITH ORDINALITY w(key_len, value_len, n)
    ) placed WHERE value_len < 0
  ) gone WHERE r.key = gone.key;
  INSERT INTO roost_row (key, value)
  SELECT substring(blob FROM (ends - value_len - key_len + 1)::int FOR key_len),
         substring(blob FROM (ends - value_len + 1)::int FOR value_len) FROM (
    SELECT key_len, value_len, sum(key_len + greatest(value_len, 0)) OVER (ORDER BY n) AS ends
      FROM unnest(key_lens, value_lens) WITH ORDINALITY w(key_len, value_len, n)
  ) placed WHERE value_len >= 0
  ON CONFLICT (key) DO UPDATE SET value = excluded.value;
END $$;

CREATE OR REPLACE FUNCTION roost_checkpoint_${SCHEMA_VERSION}(
  shards int[], epochs bigint[],
  key_lens int[], value_lens int[], blob bytea,
  logs int[], froms bigint[], belows bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE held int[];
BEGIN
  SELECT coalesce(array_agg(id), '{}') INTO held FROM (
    SELECT s.id FROM roost_shard s JOIN unnest(shards, epochs) w(shard, epoch)
        ON s.id = w.shard AND s.epoch = w.epoch
     ORDER BY s.id FOR SHARE OF s
  ) mine;
  IF cardinality(held) <> cardinality(shards) THEN
    RAISE EXCEPTION 'fenced' USING ERRCODE = '${RAISED.fenced}', DETAIL = (
      SELECT string_agg(id::text, ',') FROM unnest(shards) w(id) WHERE NOT id = ANY (held)
    );
  END IF;
  IF EXISTS (SELECT FROM roost_shard WHERE id = ANY (logs) AND NOT id = ANY (shards)) THEN
    RAISE EXCEPTION 'a log is cut without its claim' USING ERRCODE = '${RAISED.uncut}';
  END IF;
  PERFORM roost_put_${SCHEMA_VERSION}(key_lens, value_lens, blob);
  DELETE FROM roost_log l USING unnest(logs, froms, belows) w(log, first, below)
   WHERE l.shard = w.log AND l.lsn >= w.first AND l.lsn < w.below;
END $$;

CREATE OR REPLACE FUNCTION roost_cas_${SCHEMA_VERSION}(
  register bytea, old bytea, new bytea, key_lens int[], value_lens int[], blob bytea
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE changed int;
BEGIN
  IF old IS NULL THEN
    INSERT INTO roost_row (key, value) VALUES (register, new) ON CONFLICT DO NOTHING;
  ELSE
    UPDATE roost_row SET value = new WHERE key = register AND value = old;
  END IF;
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed <> 1 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '${RAISED.conflict}'; END IF;
  PERFORM roost_put_${SCHEMA_VERSION}(key_lens, value_lens, blob);
END $$;

CREATE OR REPLACE FUNCTION roost_reshape_${SCHEMA_VERSION}(
  register bytea, old bytea, new bytea,
  seal int[], seal_epochs bigint[], seal_heads bigint[],
  opened int[], open_epochs bigint[], starts bigint[], owners text[], incarnations bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE sealed int;
BEGIN
  PERFORM id FROM roost_shard WHERE id = ANY (seal) ORDER BY id FOR UPDATE;
  DELETE FROM roost_shard s USING unnest(seal, seal_epochs, seal_heads) w(shard, epoch, head)
   WHERE s.id = w.shard AND s.epoch = w.epoch AND s.head = w.head;
  GET DIAGNOSTICS sealed = ROW_COUNT;
  IF sealed <> cardinality(seal) THEN
    RAISE EXCEPTION 'conflict' USING ERRCODE = '${RAISED.conflict}';
  END IF;
  PERFORM roost_cas_${SCHEMA_VERSION}(register, old, new, '{}', '{}', '');
  INSERT INTO roost_shard (id, owner, incarnation, epoch, start, head)
  SELECT shard, owner, incarnation, epoch, start, start - 1
    FROM unnest(opened, open_epochs, starts, owners, incarnations)
         w(shard, epoch, start, owner, incarnation);
END $$;
`;

/** The statements, each with the name under which a connection prepares it. */
export const SQL = {
  append: `SELECT roost_append_${SCHEMA_VERSION}($1, $2, $3, $4, $5, $6)`,
  put: `SELECT roost_put_${SCHEMA_VERSION}($1, $2, $3)`,
  checkpoint: `SELECT roost_checkpoint_${SCHEMA_VERSION}($1, $2, $3, $4, $5, $6, $7, $8)`,
  cas: `SELECT roost_cas_${SCHEMA_VERSION}($1, $2, $3, $4, $5, $6)`,
  reshape: `SELECT roost_reshape_${SCHEMA_VERSION}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
  claim: "UPDATE roost_shard SET owner = $2, incarnation = $3, epoch = epoch + 1 " +
    "WHERE id = $1 AND epoch = $4 RETURNING epoch, head",
  holders: "SELECT id, owner, incarnation, epoch FROM roost_shard ORDER BY id",
  log: "SELECT lsn, body FROM roost_log WHERE shard = $1 AND lsn > $2 ORDER BY lsn LIMIT $3",
  get: "SELECT key, value FROM roost_row WHERE key = ANY ($1)",
  list: "SELECT key, value FROM roost_row WHERE key > $1 AND key < $2 ORDER BY key LIMIT $3",
} as const;

/** Name of a statement. */
export type Statement = keyof typeof SQL;
