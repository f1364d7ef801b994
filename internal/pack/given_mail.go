package pack

import (
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"regexp"
	"strings"
)

// encoded finds how the parts of a mail are encoded. A mail is not taken apart any
// further, because the packages for that bring the network with them.
var encoded = regexp.MustCompile(`(?im)^content-transfer-encoding:[ \t]*([a-z0-9-]+)[^\n]*\n`)

// header finds what a mail begins with.
var header = regexp.MustCompile(`(?im)^(subject|message-id):`)

// mailed returns the checkpoint that a saved mail tells, or the text as it is when it
// is no mail or tells none.
func mailed(text string) string {
	lf := strings.ReplaceAll(text, "\r\n", "\n")
	head, body, _ := strings.Cut(lf, "\n\n")
	if !header.MatchString(head) {
		return text
	}
	for _, at := range encoded.FindAllStringSubmatchIndex(lf, -1) {
		how := strings.ToLower(lf[at[2]:at[3]])
		_, part, ok := strings.Cut(lf[at[0]:], "\n\n")
		if !ok {
			continue
		}
		if found := findNote(decoded(how, part)); found != "" {
			return found
		}
	}
	if found := findNote(body); found != "" {
		return found
	}
	return text
}

// decoded returns the text of a part, up to where it cannot be read any more: a
// part that is damaged at its end may still hold the note.
func decoded(how, part string) string {
	var r io.Reader = strings.NewReader(part)
	switch how {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		block, _, _ := strings.Cut(part, "\n\n")
		block, _, _ = strings.Cut(block, "\n--")
		r = base64.NewDecoder(base64.StdEncoding, strings.NewReader(block))
	}
	b, _ := io.ReadAll(io.LimitReader(r, maxGiven)) // the error is where it ends
	return string(b)
}

// findNote returns the first text that looks like a signed note: a paragraph of at
// least three lines, and below it lines that begin as signatures do. It only looks
// for what may be one: whoever verifies it checks the signatures.
func findNote(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\u00a0")
	}
	for i := 3; i+1 < len(lines); i++ {
		if lines[i] != "" || !strings.HasPrefix(lines[i+1], "— ") {
			continue
		}
		start, end := i, i+1
		for start > 0 && lines[start-1] != "" {
			start--
		}
		for end < len(lines) && strings.HasPrefix(lines[end], "— ") {
			end++
		}
		if i-start >= 3 {
			return strings.Join(lines[start:end], "\n") + "\n"
		}
	}
	return ""
}
