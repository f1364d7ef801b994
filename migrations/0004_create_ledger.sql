-- The ledger's records. The commit is a compare-and-swap on this table: the row of a seq is inserted
-- with the seq as its deduplication token, the server keeps the first one and drops any other.
--
-- ENGINE: plain MergeTree; the deduplication log makes the swap.
-- No partition: the deduplication log is kept per partition, and there must be one.
-- ORDER BY seq: it is read in that order.
-- non_replicated_deduplication_window: how many tokens the server remembers. A writer that was away for
-- longer than this many records finds the row of its seq by reading first.
-- The replicated twins of that setting are for services that replicate MergeTree tables by themselves.
CREATE TABLE IF NOT EXISTS ledger
(
    seq         UInt64 CODEC(Delta, ZSTD(1)),
    record      String CODEC(ZSTD(3)),
    leaf        FixedString(32) CODEC(NONE),
    checkpoint  String CODEC(ZSTD(3))
)
ENGINE = MergeTree
ORDER BY seq
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 31536000
