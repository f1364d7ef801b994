package source

import (
	"crypto/sha256"
	"io"
	"iter"
)

// A Piece is what was cut out of a file: a record, or bytes that cannot be one.
type Piece struct {
	Raw    []byte // the record, without white space around it; it stays valid, but for RecordsOptions.Reuse
	Offset int64  // where it begins in the uncompressed file
	Line   int    // its line, from 1; 0 when the file is not lines

	// Of bytes that cannot be a record. Raw then holds at most the first MiB of a
	// piece that is larger than the limit.
	Bad    string // reason of the reject; empty for a record
	Size   int64
	SHA256 [sha256.Size]byte
}

// RecordsOptions says how files of a kind are cut.
type RecordsOptions struct {
	Wraps []string // Kind.Wraps: a file may be saved pages {"data": [...]}
	Limit int      // the largest record, MaxRecord when 0
	Reuse bool     // the caller is done with a piece when it asks for the next: their memory is used again
	// Plain gets the file as it is without compression; nil: nobody does.
	Plain io.Writer
}

// Records cuts a file into records, in order: one JSON object on each line, a JSON
// array of objects, objects one after the other, pages as the vendor's API sends
// them, or one object alone; plain or compressed with gzip or zstd. It takes
// memory for one record, whatever the size of the file.
//
// No byte is lost: everything but white space, the frame of arrays and pages, and
// the commas between records is in one Piece. It looks for the ends of records
// and does not check what is inside them; Normalize does. A line that is no JSON
// is a Piece like any other.
//
// The last pair may be an error: the file is damaged, or cannot be read on. What
// was cut out before it is good.
func Records(r io.Reader, opt RecordsOptions) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		file, err := openFile(r)
		if err != nil {
			yield(Piece{}, err)
			return
		}
		defer file.close()
		if opt.Plain != nil {
			file.Reader = io.TeeReader(file.Reader, opt.Plain)
		}
		if opt.Limit == 0 {
			opt.Limit = MaxRecord
		}
		c := cutter{tape: tape{r: file, limit: opt.Limit, reuse: opt.Reuse}, wraps: opt.Wraps, yield: yield}
		err = c.cut()
		if c.stopped {
			return
		}
		if c.err != nil && c.err != io.EOF {
			err = file.explain(c.err, c.base+int64(len(c.buf)))
		}
		if err != nil {
			yield(Piece{}, err)
		}
	}
}

// Cut is Records of a body that is in memory, and not compressed. Pieces share memory
// with it; body[Offset:Offset+Size] is the whole of one that is too large to be kept.
func Cut(body []byte, opt RecordsOptions) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		if opt.Limit == 0 {
			opt.Limit = MaxRecord
		}
		c := cutter{tape: tape{buf: body, err: io.EOF, limit: opt.Limit}, wraps: opt.Wraps, yield: yield}
		if err := c.cut(); err != nil && !c.stopped {
			yield(Piece{}, err)
		}
	}
}

// listsOr returns what Kind.Wraps is where a kind's records have no lists of these
// names: its own keys, and those under which APIs, stores of logs and collectors hold
// records.
func listsOr(own ...string) []string {
	return append(own, "events", "data", "logs", "Records", "records", "value", "results", "items", "entries", "hits.hits", "logEvents")
}
