-- What became of API tokens: a row for each thing that happened to one, never changed.
--
-- ENGINE: plain MergeTree. A token is what its rows say together; an engine that keeps only the newest row
-- would forget who made it.
-- No partition: there are few.
-- ORDER BY (token, number): the history of a token is read in its order.
-- body: what was decided as JSON, so that a new field needs no new column. Of the token itself it has the
-- SHA-256, never the text.
-- No TTL: whose token brought an event is part of its explanation.
CREATE TABLE IF NOT EXISTS tokens
(
    token   String,
    number  UInt64,
    at      DateTime64(9, 'UTC'),
    state   LowCardinality(String),
    body    String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (token, number)
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
