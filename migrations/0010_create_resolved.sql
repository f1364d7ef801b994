-- The rejects that were tried again after a fix and are dealt with: what became of each. The reject itself
-- stays in its table, with its bytes, and in the evidence; it only leaves the list of what is open.
--
-- ENGINE: plain MergeTree, append-only, as for the rejects. Rows carry the number of the batch that took the
-- events in, and are written before its record is: those of a void batch are never read.
-- No partition: rejects are few, and this is only ever asked by their key.
-- ORDER BY (source, sha256, reason): the key of a reject.
-- outcome: event, duplicate, skipped, conflict. id: of the event, the first of several.
CREATE TABLE IF NOT EXISTS resolved
(
    source   LowCardinality(String),
    sha256   FixedString(32) CODEC(NONE),
    reason   LowCardinality(String),
    batch    UInt64 CODEC(Delta, ZSTD(1)),
    outcome  LowCardinality(String),
    id       String CODEC(ZSTD(1)),
    INDEX batch batch TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (source, sha256, reason)
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
