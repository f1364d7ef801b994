-- The records that could not become events, with their bytes.
--
-- ENGINE: plain MergeTree, as for the events.
-- PARTITION BY month of receipt, as segments of rejects go by the day of receipt.
-- ORDER BY (source, sha256, reason): a reject that comes again is found by these.
-- INDEX batch: as for the events.
CREATE TABLE IF NOT EXISTS rejects
(
    source    LowCardinality(String),
    sha256    FixedString(32) CODEC(NONE),
    reason    LowCardinality(String),
    received  DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    batch     UInt64 CODEC(Delta, ZSTD(1)),
    salt      FixedString(16) CODEC(NONE),
    size      UInt64 CODEC(ZSTD(1)),
    raw       String CODEC(ZSTD(3)),
    INDEX batch batch TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (source, sha256, reason)
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
