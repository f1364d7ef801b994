package source

import (
	"errors"
	"strings"
)

// linkNext returns the address with the relation next, empty when there is none. A
// server may send its links in one Link header or in several (RFC 8288).
func linkNext(headers []string) (string, error) {
	found := ""
	for _, header := range headers {
		for rest := header; ; {
			_, after, ok := strings.Cut(rest, "<")
			if !ok {
				break
			}
			address, params, ok := strings.Cut(after, ">")
			if !ok {
				return "", errors.New("a Link header is cut off")
			}
			params, rest, _ = cutLink(params)
			if !isNext(params) {
				continue
			}
			if address == "" || found != "" && found != address {
				return "", errors.New("the answer names no next page, or two")
			}
			found = address
		}
	}
	return found, nil
}

// cutLink cuts at the comma in front of the next link; one in quotes is text.
func cutLink(s string) (before, after string, found bool) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func isNext(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(name, "rel") && strings.EqualFold(strings.Trim(value, `"`), "next") {
			return true
		}
	}
	return false
}
