-- The time that the carrier of a record gave, such as when the object in a bucket was written: when the record
-- is tried again after a fix and has no time of its own, it is filed at this one and not at its receipt.
-- 1970: the carrier gave none, or the reject is from before this column. It is no part of the reject's line.
--
-- CODEC: as for received.
ALTER TABLE rejects ADD COLUMN IF NOT EXISTS transport DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)) AFTER received
