-- How many events of types that no rule knew came in each batch: the source's page and the IPE sheet ask for
-- that, and would look at every event of the source for it.
--
-- Nothing is proven from here; the events are what counts. A batch from before this table has no rows in it:
-- the writer adds them when it starts.
--
-- ENGINE: plain MergeTree, append-only. Rows carry the number of their batch, as events do.
-- No partition: it holds a row per batch, UTC day and type, not per event.
-- ORDER BY (source, action, day, batch): it is asked by source and grouped by action.
-- id, first: an example, the first of the day.
CREATE TABLE IF NOT EXISTS unmapped
(
    source  LowCardinality(String),
    action  String CODEC(ZSTD(1)),
    day     Date32 CODEC(Delta, ZSTD(1)),
    batch   UInt64 CODEC(Delta, ZSTD(1)),
    events  UInt64 CODEC(ZSTD(1)),
    first   DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    last    DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    id      String CODEC(ZSTD(1)),
    INDEX batch batch TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (source, action, day, batch)
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
