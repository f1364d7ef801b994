package event

import (
	"encoding/hex"
	"strconv"
	"time"
)

// An Object is an object of a bucket that was read to its end. Its line is what the
// ledger stands for; there is one for each content that the object had.
type Object struct {
	Source   string
	Key      string   // in the bucket
	ETag     string   // what the store gave for the content
	Size     uint64   // bytes as stored
	SHA256   [32]byte // of the bytes as stored
	Plain    [32]byte // SHA-256 of what they are without compression
	Replaces [32]byte // the SHA256 that the object had when it was read before; zero: it was not
	Records  uint64   // records in it
	First    time.Time
	Last     time.Time // First and Last: of the events in it, of a digest the time that it proves; zero: none
	Damaged  bool      // it ended too early, or was otherwise not what it should be; what could be read is kept
	Note     string    // what else is to be said of it, or what is wrong, in words
}

// Changed reports whether the object had other content before.
func (o *Object) Changed() bool { return o.Replaces != [32]byte{} }

// AppendLine appends the object's line, whose leaf the ledger's root is made of.
func (o *Object) AppendLine(b []byte) []byte {
	w := writer{append(b, `{"v":1`...)}
	w.text("source", o.Source)
	w.text("key", o.Key)
	w.text("etag", o.ETag)
	w.key("size") // always there, also as 0
	w.b = strconv.AppendUint(w.b, o.Size, 10)
	w.text("sha256", hex.EncodeToString(o.SHA256[:]))
	w.text("plain", hex.EncodeToString(o.Plain[:]))
	if o.Changed() {
		w.text("replaces", hex.EncodeToString(o.Replaces[:]))
	}
	w.number("records", o.Records)
	for _, t := range []struct {
		name string
		time time.Time
	}{{"first", o.First}, {"last", o.Last}} {
		if !t.time.IsZero() {
			w.time(t.name, t.time)
		}
	}
	if o.Damaged {
		w.text("damaged", "yes")
	}
	w.text("note", o.Note)
	return append(w.b, '}')
}
