-- What schedules did: a row for each state of a run, never changed.
--
-- ENGINE: plain MergeTree, as for the schedules. A state is added before the step that it announces and
-- after the step that it reports, so a crash leaves a state that says what to do again.
-- No partition: there are few.
-- ORDER BY (schedule, run, number): the newest state of a run is the last of its rows.
-- body: the state as JSON, with the letter that its mails say.
-- No TTL, as for the schedules.
CREATE TABLE IF NOT EXISTS schedule_runs
(
    schedule  String,
    run       String,
    number    UInt64,
    at        DateTime64(9, 'UTC'),
    state     LowCardinality(String),
    body      String CODEC(ZSTD(3))
)
ENGINE = MergeTree
ORDER BY (schedule, run, number)
SETTINGS fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480,
    non_replicated_deduplication_window = 0
