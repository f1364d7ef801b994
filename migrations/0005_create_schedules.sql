-- What people decided about recurring reports: a row for each version of a schedule, never changed.
--
-- ENGINE: plain MergeTree. Versions are added and the newest one holds; an engine that keeps only the newest
-- would forget what a schedule was when it sent something.
-- No partition: there are few.
-- ORDER BY (schedule, number): a schedule's history is read in its order.
-- body: the version as JSON, so that a new field needs no new column.
-- No TTL: what was asked for is part of the explanation of what was sent.
CREATE TABLE IF NOT EXISTS schedules
(
    schedule  String,
    number    UInt64,
    at        DateTime64(9, 'UTC'),
    state     LowCardinality(String),
    body      String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (schedule, number)
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
