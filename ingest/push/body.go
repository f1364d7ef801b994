package push

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// A body is what a sender sent, uncompressed.
type body struct {
	data    []byte
	damaged bool   // it cannot be uncompressed: data is what came
	meter   *meter // of its memory
}

// read reads the body of a request and uncompresses it: as Content-Encoding says, and
// a compressed file that is sent without one.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, m *meter) (*body, *fault) {
	b := &body{meter: m}
	encodings, f := encodings(r)
	if f != nil {
		return b, f
	}
	packed, err := m.all(http.MaxBytesReader(w, r.Body, h.Limits.Packed), h.Limits.Packed, r.ContentLength)
	if err != nil {
		return b, h.readFault(err)
	}
	plain := packed
	for layer := range maxLayers {
		encoding := ""
		if n := len(encodings); n > 0 {
			encoding, encodings = encodings[n-1], encodings[:n-1]
		} else if encoding = sniff(plain); encoding == "" {
			if b.data = plain; layer > 0 {
				m.give(int64(cap(packed)))
			}
			return b, nil
		}
		limit := min(h.Limits.Plain, max(harmless, h.Limits.Ratio*int64(len(packed))))
		switch plain, err = m.unpack(plain, encoding, limit); {
		case limited(err):
			return b, h.readFault(err)
		case err != nil:
			b.data, b.damaged = packed, true
			return b, nil
		}
	}
	b.data, b.damaged = plain, sniff(plain) != ""
	return b, nil
}

// harmless is how large a body may become whatever its ratio: lines that repeat each
// other are a thousandth of themselves in zstd.
const harmless = 16 << 20

// maxLayers is how often a body may be compressed.
const maxLayers = 2

func (h *Handler) readFault(err error) *fault {
	tooLong := (*http.MaxBytesError)(nil)
	switch {
	case errors.Is(err, errBusy):
		return &fault{status: http.StatusServiceUnavailable, code: hecBusy, why: whyBusy, text: "busy; send it again", retry: time.Second, cause: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &fault{status: http.StatusServiceUnavailable, code: hecBusy, why: whySlow, text: "the body came too slowly; send it again", retry: time.Second, cause: err}
	case errors.Is(err, errTooMany):
		return &fault{status: http.StatusRequestEntityTooLarge, code: hecFormat, why: whyTooLarge, text: fmt.Sprintf("there are more than %d records in the request: send fewer at once", h.Limits.Records)}
	case errors.Is(err, errNoShare):
		return &fault{status: http.StatusRequestEntityTooLarge, code: hecFormat, why: whyTooLarge, text: "the request takes too much memory: send less at once"}
	case errors.Is(err, errTooLarge), errors.As(err, &tooLong):
		text := fmt.Sprintf("the body is larger than %d MiB, %d MiB uncompressed, or %d times itself: send less at once",
			h.Limits.Packed>>20, h.Limits.Plain>>20, h.Limits.Ratio)
		return &fault{status: http.StatusRequestEntityTooLarge, code: hecFormat, why: whyTooLarge, text: text}
	}
	// Nothing of it was kept.
	return &fault{status: http.StatusBadRequest, code: hecFormat, why: whyCut, text: "the body ended too early", cause: err}
}

// encodings returns what a body was compressed with, in that order.
func encodings(r *http.Request) ([]string, *fault) {
	var list []string
	for name := range strings.SplitSeq(strings.Join(r.Header.Values("Content-Encoding"), ","), ",") {
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case "", "identity":
		case "gzip", "x-gzip", "zstd", "deflate":
			list = append(list, name)
		default:
			return nil, &fault{status: http.StatusUnsupportedMediaType, code: hecFormat, why: whyEncoding, text: "the Content-Encoding is not known; send gzip, zstd, deflate or none"}
		}
	}
	if len(list) > maxLayers {
		return nil, &fault{status: http.StatusUnsupportedMediaType, code: hecFormat, why: whyEncoding, text: "the body is compressed too often"}
	}
	return list, nil
}

// sniff tells by its beginning what a body is compressed with.
func sniff(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd"
	}
	return ""
}

func (m *meter) unpack(packed []byte, encoding string, limit int64) ([]byte, error) {
	if len(packed) == 0 {
		return nil, nil // a heartbeat
	}
	in := bytes.NewReader(packed)
	var r io.Reader
	switch encoding {
	case "zstd":
		if err := m.take(maxWindow); err != nil {
			return nil, err
		}
		defer m.give(maxWindow)
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(uint64(maxWindow)))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	case "deflate": // zlib, and from some senders what is inside of zlib
		z, err := zlib.NewReader(in)
		if err == nil {
			r = z
			break
		}
		in.Reset(packed)
		r = flate.NewReader(in)
	default:
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		r = z
	}
	return m.all(r, limit, 4*int64(len(packed)))
}

// maxWindow bounds the memory that a zstd body asks for beside what is in it.
const maxWindow = 8 << 20
