package reports

import (
	"strings"
	"time"

	"exhibit/reports/words"
)

// Number prints a count in groups of three: "41,208,113".
func Number[N words.Integer](n N) string { return words.Number(n) }

// Plural prints a count with its noun: "1 day", "2,000 days".
func Plural[N words.Integer](n N, one, many string) string { return words.Plural(n, one, many) }

// Size prints a number of bytes: "3.2 MB".
func Size[N words.Integer](n N) string { return words.Size(n) }

// Share prints a share of time. It is cut, not rounded: only all is "100 %".
func Share(share float64) string { return words.Share(share) }

// Length prints how long something is, in its two largest units.
func Length(d time.Duration) string { return words.Length(d) }

// and joins words: "a", "a and b", "a, b and c".
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// share returns part of whole, between 0 and 1.
func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return min(1, max(0, float64(part)/float64(whole)))
}

// capital makes the first letter of a sentence one.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
