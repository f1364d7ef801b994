package pack

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"exhibit/internal/word"
)

// risky reports whether a spreadsheet may take a cell for a formula: it begins, also
// after spaces, with = + - @ % | or one of their full-width forms, with a tab or a line
// break, or with an apostrophe. Such a cell gets an apostrophe in front: whoever takes
// one leading apostrophe away therefore has the original back.
func risky(s string) bool {
	if s == "" {
		return false
	}
	if c := s[0]; c < utf8.RuneSelf && c != ' ' {
		return riskyRune(rune(c)) // nearly all cells end here
	}
	for _, r := range s {
		if riskyRune(r) {
			return true
		}
		if !unicode.IsSpace(r) && r != '\u200b' && r != '\ufeff' && r != 0 {
			return false
		}
	}
	return false
}

func riskyRune(r rune) bool {
	switch r {
	case '=', '+', '-', '@', '%', '|', '\t', '\r', '\n', '\v', '\f', '\'', 0,
		'＝', '＋', '－', '＠', '％', '｜', '＇', '−', '﹢', '﹣', '﹦', '﹪', '﹫':
		return true
	}
	return false
}

// A table appends rows of a CSV file as RFC 4180 has it, with \n between rows:
// what encoding/csv writes, without its copies. Every text that is risky gets an apostrophe in front.
type table struct {
	b     []byte
	cells uint64 // that were risky
	begun bool   // a cell of the row is there
}

func (t *table) comma() {
	if t.begun {
		t.b = append(t.b, ',')
	}
	t.begun = true
}

// text appends a cell of any content.
func (t *table) text(s string) {
	t.comma()
	if s == "" {
		return
	}
	mark := risky(s)
	if mark {
		t.cells++
	}
	if !quoted(s) {
		if mark {
			t.b = append(t.b, '\'')
		}
		t.b = append(t.b, s...)
		return
	}
	t.b = append(t.b, '"')
	if mark {
		t.b = append(t.b, '\'')
	}
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			break
		}
		t.b = append(append(t.b, s[:i+1]...), '"')
		s = s[i+1:]
	}
	t.b = append(append(t.b, s...), '"')
}

// quoted reports whether a cell has to stand in quotation marks.
func quoted(s string) bool {
	if s[0] == ' ' || s[0] >= utf8.RuneSelf || s == `\.` {
		return true
	}
	i := 0
	for ; i+word.Size <= len(s); i += word.Size {
		w := word.Load(s, i)
		if word.Equal(w, '"')|word.Equal(w, ',')|word.Equal(w, '\n')|word.Equal(w, '\r') != 0 {
			return true
		}
	}
	for ; i < len(s); i++ {
		switch s[i] {
		case '"', ',', '\n', '\r':
			return true
		}
	}
	return false
}

// plain appends a cell that we made ourselves: a number, a time, a hash.
func (t *table) plain(s string) {
	t.comma()
	t.b = append(t.b, s...)
}

func (t *table) end() {
	t.b = append(t.b, '\n')
	t.begun = false
}

func (t *table) row(cells ...string) {
	for _, c := range cells {
		t.text(c)
	}
	t.end()
}
