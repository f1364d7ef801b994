-- The ids of events that are filed at a time that is not their source's own. Such an event may come
-- again with another time, where a look-up in the range of its time would miss the first one.
--
-- ENGINE: plain MergeTree, as for the events.
-- No partition: it is small and is only ever asked for ids.
-- ORDER BY (source, id, batch): the look-up is by source and id.
CREATE TABLE IF NOT EXISTS filed
(
    source  LowCardinality(String),
    id      String CODEC(ZSTD(1)),
    batch   UInt64 CODEC(Delta, ZSTD(1)),
    time    DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (source, id, batch)
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
