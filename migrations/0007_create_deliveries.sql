-- What became of each mail: a row for each state of a delivery, never changed.
--
-- ENGINE: plain MergeTree, as for the schedules. A row is written before the conversation with the mail
-- server begins and another when it has ended: a crash between them leaves a delivery that is sent again.
-- No partition: there are few.
-- ORDER BY (run, target, number): the newest state of a delivery is the last of its rows.
-- body: the state as JSON, with the server's reply.
-- No TTL: what was sent to whom must be there when somebody asks.
CREATE TABLE IF NOT EXISTS deliveries
(
    run     String,
    target  String,
    number  UInt64,
    at      DateTime64(9, 'UTC'),
    state   LowCardinality(String),
    body    String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (run, target, number)
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
