-- The objects of buckets that were read to their end: a row for each content that an object had.
--
-- ENGINE: plain MergeTree, as for the events. A look-up names the batches that it trusts.
-- No partition: the look-up is by key, and a key says nothing of the month.
-- ORDER BY (source, key, batch): a listing comes in the order of keys, and asks for a piece of it.
-- INDEX batch: the commit counts the rows of one batch, the audit reads them.
-- CODECS: keys have long beginnings in common; hashes are random and stay as they are.
-- No TTL: a forgotten object would be read again.
CREATE TABLE IF NOT EXISTS objects
(
    source    LowCardinality(String),
    key       String CODEC(ZSTD(1)),
    batch     UInt64 CODEC(Delta, ZSTD(1)),
    etag      String CODEC(ZSTD(1)),
    size      UInt64 CODEC(ZSTD(1)),
    sha256    FixedString(32) CODEC(NONE),
    plain     FixedString(32) CODEC(NONE),
    replaces  FixedString(32) CODEC(ZSTD(1)),
    records   UInt64 CODEC(ZSTD(1)),
    first     DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    last      DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    damaged   Bool CODEC(ZSTD(1)),
    note      String CODEC(ZSTD(1)),
    INDEX batch batch TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (source, key, batch)
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
