package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"

	"exhibit/ingest/source"
)

// One request is one frame, little endian:
//
//	 0  key     8  the segment's, from its file's name
//	 8  mark    8  number of its last record
//	16  at      8  arrival, Unix nanoseconds
//	24  count   4  records
//	28  bytes   4  of all records
//	32  flags   1
//	33  name    1  length of the source's name
//	34  CRC     4  CRC-32C of what is above, the name and the table
//	38  name
//	    table      a row for each record
//	    records    one after the other
//
// A row of the table:
//
//	 0  received   8  Unix nanoseconds
//	 8  transport 12  Unix seconds and nanoseconds: senders give any time at all
//	20  length     4
//	24  CRC        4  CRC-32C of the record
//
// So damage to a record costs that record. Behind damage to a head, the next frame
// is found by its key: it is random, and no sender can put it in a record.
const (
	fixedLen = 38
	rowLen   = 28
	crcAt    = 34

	flagRefused = 1 // something of the source was turned away since the frame before
	flagEnd     = 2 // no frame but the last of a segment that was closed in order
)

// MaxRequest is the most that the records of one request may take on disk, their
// rows of 28 bytes each included.
const MaxRequest = 128 << 20

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// A request is a frame that is not written yet.
type request struct {
	name    string
	head    []byte
	records []source.Record
	size    int64 // on disk
	count   uint64
	done    chan answer
	// refusals of the source before the request came
	refusals uint64
}

type answer struct {
	mark uint64
	err  error
}

// numbers returns how many numbers a request of n records takes: a heartbeat has one
// too, so that every request has a mark of its own.
func numbers(n int) uint64 { return uint64(max(n, 1)) }

// newRequest lays out a request. seal completes it.
func newRequest(name string, records []source.Record, at time.Time) (*request, error) {
	if name == "" || len(name) > math.MaxUint8 {
		return nil, fmt.Errorf("spool: %q cannot be the name of a source", name)
	}
	total := int64(len(records)) * rowLen
	for i := range records {
		total += int64(len(records[i].Raw))
	}
	if total > MaxRequest {
		return nil, fmt.Errorf("%w: %d records take %d MiB; send less at once", ErrTooLarge, len(records), total>>20)
	}
	b := make([]byte, fixedLen, fixedLen+len(name)+len(records)*rowLen)
	le := binary.LittleEndian
	le.PutUint64(b[16:], uint64(at.UnixNano()))
	le.PutUint32(b[24:], uint32(len(records)))
	le.PutUint32(b[28:], uint32(total-int64(len(records))*rowLen))
	b[33] = byte(len(name))
	b = append(b, name...)
	table := castagnoli()
	for i := range records {
		r := &records[i]
		b = le.AppendUint64(b, uint64(r.Received.UnixNano()))
		b = le.AppendUint64(b, uint64(r.Transport.Unix()))
		b = le.AppendUint32(b, uint32(r.Transport.Nanosecond()))
		b = le.AppendUint32(b, uint32(len(r.Raw)))
		b = le.AppendUint32(b, crc32.Checksum(r.Raw, table))
	}
	size := int64(len(b)) + total - int64(len(records))*rowLen
	return &request{name: name, head: b, records: records, size: size, count: numbers(len(records)), done: make(chan answer, 1)}, nil
}

// seal gives a frame its place.
func seal(head []byte, key, mark uint64, flags byte) {
	binary.LittleEndian.PutUint64(head, key)
	binary.LittleEndian.PutUint64(head[8:], mark)
	head[32] = flags
	binary.LittleEndian.PutUint32(head[crcAt:], headCRC(head))
}

func headCRC(head []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:crcAt], castagnoli()), castagnoli(), head[fixedLen:])
}

// A head is what a frame says before its records.
type head struct {
	mark  uint64
	at    time.Time
	count int
	bytes int64 // of the records
	flags byte
	name  string
	table []byte // valid until the next head is read
	size  int64  // of the head
}

// start is the number before the first record of the frame.
func (h *head) start() uint64 {
	if h.flags&flagEnd != 0 {
		return h.mark
	}
	return h.mark - numbers(h.count)
}

// frames reads the frames of one segment.
type frames struct {
	r     io.ReaderAt
	key   uint64
	buf   []byte // of heads
	raw   []byte // of records
	chunk []byte // of searches
}

// head reads the head at off of a segment of so many bytes; false: none is there.
func (f *frames) head(off, size int64) (h head, ok bool, err error) {
	if size-off < fixedLen {
		return h, false, nil
	}
	f.buf = grow(f.buf, fixedLen)
	if err := f.read(f.buf, off); err != nil {
		return h, false, err
	}
	le := binary.LittleEndian
	if le.Uint64(f.buf) != f.key {
		return h, false, nil
	}
	count, name := int64(le.Uint32(f.buf[24:])), int64(f.buf[33])
	h.size = fixedLen + name + count*rowLen
	if count*rowLen > MaxRequest || h.size > size-off {
		return h, false, nil
	}
	f.buf = grow(f.buf, int(h.size))
	if err := f.read(f.buf[fixedLen:], off+fixedLen); err != nil {
		return h, false, err
	}
	h.mark, h.at = le.Uint64(f.buf[8:]), time.Unix(0, int64(le.Uint64(f.buf[16:]))).UTC()
	h.count, h.bytes, h.flags = int(count), int64(le.Uint32(f.buf[28:])), f.buf[32]
	h.name, h.table = string(f.buf[fixedLen:fixedLen+name]), f.buf[fixedLen+name:]
	return h, le.Uint32(f.buf[crcAt:]) == headCRC(f.buf) && h.bytes <= MaxRequest && h.mark >= numbers(h.count), nil
}

// find returns where the next frame from off on begins, or size.
func (f *frames) find(off, size int64) (int64, error) {
	const step = 256 << 10
	key := binary.LittleEndian.AppendUint64(nil, f.key)
	for off < size {
		f.chunk = grow(f.chunk, int(min(step, size-off)))
		if err := f.read(f.chunk, off); err != nil {
			return 0, err
		}
		i := bytes.Index(f.chunk, key)
		if i < 0 {
			// The key may begin at the end of this chunk.
			off += int64(max(len(f.chunk)-len(key)+1, 1))
			continue
		}
		off += int64(i)
		if _, ok, err := f.head(off, size); ok || err != nil {
			return off, err
		}
		off++
	}
	return size, nil
}

// records reads the records that follow a head at off, as far as the segment goes.
// They are valid until the next call. What is not as it was written is in damage.
func (f *frames) records(h *head, off, size int64) (records []source.Record, damage [][]byte, err error) {
	f.raw = grow(f.raw, int(min(h.bytes, size-off-h.size)))
	if err := f.read(f.raw, off+h.size); err != nil {
		return nil, nil, err
	}
	le, table := binary.LittleEndian, castagnoli()
	left := f.raw
	records = make([]source.Record, 0, h.count)
	for row := h.table; len(row) > 0; row = row[rowLen:] {
		length, short := int(le.Uint32(row[20:])), false
		if short = length > len(left); short {
			length = len(left)
		}
		raw := left[:length:length]
		left = left[length:]
		if short || crc32.Checksum(raw, table) != le.Uint32(row[24:]) {
			damage = append(damage, raw)
			continue
		}
		records = append(records, source.Record{Raw: raw, Received: time.Unix(0, int64(le.Uint64(row))).UTC(),
			Transport: time.Unix(int64(le.Uint64(row[8:])), int64(le.Uint32(row[16:]))).UTC()})
	}
	return records, damage, nil
}

func (f *frames) read(b []byte, off int64) error {
	n, err := f.r.ReadAt(b, off)
	if n == len(b) || errors.Is(err, io.EOF) {
		clear(b[n:]) // the file is shorter than it was: a damage like others
		return nil
	}
	return fmt.Errorf("spool: read: %w", err)
}

// grow returns a slice of length n, with the first bytes of b.
func grow(b []byte, n int) []byte {
	if n <= cap(b) {
		return b[:n]
	}
	return append(make([]byte, 0, n), b...)[:n]
}
