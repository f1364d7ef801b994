package push

import (
	"bytes"
	"io"
	"time"
	"unsafe"

	"exhibit/ingest/source"

	"github.com/go-json-experiment/json/jsontext"
)

// A batch is the records that a body is cut into, all with the time of receipt. It
// ends with errTooMany, or when there is no memory: a record takes more than its
// bytes, so that a small body could take a lot.
type batch struct {
	body     *body
	most     int
	received time.Time
	records  []source.Record
}

func (h *Handler) batch(b *body) *batch {
	return &batch{body: b, most: h.Limits.Records, received: h.Now()}
}

// add adds a record that shares memory with the body.
func (l *batch) add(raw []byte) error {
	if len(l.records) >= l.most {
		return errTooMany
	}
	if err := l.body.meter.step(int64(unsafe.Sizeof(source.Record{}))); err != nil {
		return err
	}
	l.records = append(l.records, source.Record{Raw: raw, Received: l.received})
	return nil
}

// pieces cuts data into records, as far as it is made of them; what is not is one too.
func (l *batch) pieces(data []byte, wraps []string) error {
	if l.body.damaged {
		return l.add(data)
	}
	first := len(l.records)
	for p, err := range source.Cut(data, source.RecordsOptions{Wraps: wraps}) {
		switch {
		case err != nil && len(l.records) == first:
			return l.add(data)
		case err != nil:
			return nil // a piece holds what is wrong
		case p.Bad != "":
			p.Raw = data[p.Offset : p.Offset+p.Size]
		}
		if err := l.add(p.Raw); err != nil {
			return err
		}
	}
	return nil
}

// objects cuts the body into JSON values one after the other. From a mistake on, it is
// cut into lines as any other file is.
func (l *batch) objects() error {
	data := l.body.data
	if l.body.damaged {
		return l.add(data)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	for {
		from := dec.InputOffset()
		v, err := readValue(dec, data)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return l.pieces(data[from:], nil)
		}
		if err := l.add(v); err != nil {
			return err
		}
	}
}
