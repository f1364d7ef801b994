-- The events, one row each, never changed in place.
--
-- ENGINE: plain MergeTree. Duplicates are dropped before the insert and every read names the batches
-- that it trusts, so no engine that rewrites rows behind our back is wanted.
-- PARTITION BY month of the event's time: retention drops days, which stay inside one partition, and a
-- report reads the months that it is about.
-- ORDER BY (source, time, id): the look-up that finds what is already stored is a range of this key, a
-- report reads a source's days in order, and a segment's root is made in the order of time and id.
-- INDEX batch: the commit counts the rows of one batch; batches come in the order of their number.
-- INDEX id: an event by its id alone. One granule in twenty is read for nothing; it takes 0.8 bytes an event.
-- INDEX action, actor: a search that finds nothing need not look at every event. Where a granule has more
-- different ones than the set holds, it is read. They take 0.1 bytes an event.
-- No TTL: evidence goes by a ledger record first, never by itself.
-- LowCardinality: texts that come again and again are numbers on the disk, and still every byte of them
-- comes back. Ids are random and stay as they are.
-- CODECS: numbers that grow slowly as differences; the salt is random and stays as it is. Records are
-- mostly random ids too, of which zstd's stronger levels make more bytes in more time than its first;
-- large blocks help it to find what records have in common.
-- SETTINGS: a batch becomes a part with one data file, not two for each column: every file is synced. Large
-- parts, which merges make, have their columns apart. Granules are larger than usual: each has dictionaries of
-- its own, which makes 3 % of the disk. An acknowledged insert has reached the disk. Parts
-- that a merge replaced stay for eight minutes, so that a merge that a power cut tore does not cost the rows.
CREATE TABLE IF NOT EXISTS events
(
    source              LowCardinality(String) CODEC(ZSTD(1)),
    time                DateTime64(9, 'UTC') CODEC(GCD, Delta, T64, ZSTD(1)),
    id                  String CODEC(ZSTD(1)),
    batch               UInt64 CODEC(Delta, ZSTD(1)),
    salt                FixedString(16) CODEC(NONE),
    time_basis          LowCardinality(String) CODEC(ZSTD(1)),
    claimed             String CODEC(ZSTD(1)),
    received            DateTime64(9, 'UTC') CODEC(GCD, Delta, ZSTD(1)),
    section             LowCardinality(String) CODEC(ZSTD(1)),
    ocsf                LowCardinality(String) CODEC(ZSTD(1)),
    class               UInt32 CODEC(ZSTD(1)),
    activity            UInt32 CODEC(T64, ZSTD(1)),
    action              LowCardinality(String) CODEC(ZSTD(1)),
    outcome             LowCardinality(String) CODEC(ZSTD(1)),
    actor_id            LowCardinality(String) CODEC(ZSTD(1)),
    actor_name          LowCardinality(String) CODEC(ZSTD(1)),
    actor_email         LowCardinality(String) CODEC(ZSTD(1)),
    actor_type          LowCardinality(String) CODEC(ZSTD(1)),
    actor_impersonator  LowCardinality(String) CODEC(ZSTD(1)),
    target_type         LowCardinality(String) CODEC(ZSTD(1)),
    target_id           String CODEC(ZSTD(3)),
    target_name         LowCardinality(String) CODEC(ZSTD(1)),
    ip                  String CODEC(ZSTD(1)),
    user_agent          LowCardinality(String) CODEC(ZSTD(1)),
    request_id          String CODEC(ZSTD(1)),
    session_id          String CODEC(ZSTD(1)),
    organisation        LowCardinality(String) CODEC(ZSTD(1)),
    workspace           LowCardinality(String) CODEC(ZSTD(1)),
    project             LowCardinality(String) CODEC(ZSTD(1)),
    account             LowCardinality(String) CODEC(ZSTD(1)),
    changes             String CODEC(ZSTD(1)),
    mapping             UInt32 CODEC(ZSTD(1)),
    masked              String CODEC(ZSTD(1)),
    raw                 String CODEC(ZSTD(1)) SETTINGS (min_compress_block_size = 8388608, max_compress_block_size = 8388608),
    INDEX batch batch TYPE minmax GRANULARITY 1,
    INDEX id id TYPE bloom_filter(0.05) GRANULARITY 1,
    INDEX action action TYPE set(256) GRANULARITY 1,
    INDEX actor (actor_id, actor_name, actor_email) TYPE set(1024) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (source, time, id)
SETTINGS index_granularity = 16384,
    index_granularity_bytes = 33554432,
    min_bytes_for_wide_part = 41943040,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
