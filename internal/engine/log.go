package engine

import (
	"bytes"
	"io"
	"os"
)

const (
	// messagePrefix begins the line with which a child explains its end.
	messagePrefix = "exhibit engine:"
	// maxLog is the size of server.log at which the next start sets it aside.
	maxLog = 8 << 20
	// maxMessage is how much of a log's end is searched, and shown.
	maxTail, maxMessage = 32 << 10, 500
)

// openLog opens the child's log to add to it, a long one set aside.
func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// lastMessage is why the last child ended, in its own words: the last line
// with the prefix, else the last line at all.
func lastMessage(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxTail {
		if _, err := f.Seek(-maxTail, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	tail, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	if i := bytes.LastIndex(tail, []byte(messagePrefix)); i >= 0 {
		tail = bytes.TrimSpace(tail[i+len(messagePrefix):])
		tail, _, _ = bytes.Cut(tail, []byte("\n"))
	} else {
		tail = bytes.TrimSpace(tail)
		tail = tail[bytes.LastIndexByte(tail, '\n')+1:]
	}
	if len(tail) == 0 {
		return "it said nothing"
	}
	return string(tail[:min(len(tail), maxMessage)])
}
