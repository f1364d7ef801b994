// Package words prints numbers, sizes, shares and lengths of time in the same words
// everywhere: in files, in mails and on pages.
package words

import (
	"fmt"
	"time"
)

// An Integer is what counts are kept in.
type Integer interface{ int | int64 | uint64 }

// Number prints a count in groups of three: "41,208,113".
func Number[N Integer](n N) string {
	s, sign := fmt.Sprint(n), ""
	if n < 0 {
		s, sign = s[1:], "−"
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Plural prints a count with its noun: "1 day", "2,000 days".
func Plural[N Integer](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Size prints a number of bytes: "3.2 MB".
func Size[N Integer](n N) string {
	if n < 1000 {
		return Plural(n, "byte", "bytes")
	}
	value, units := float64(n)/1000, []string{"kB", "MB", "GB", "TB"}
	for value >= 1000 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}

// Share prints a share of time. It is cut, not rounded: only all is "100 %".
func Share(share float64) string {
	switch {
	case share >= 1:
		return "100 %"
	case share <= 0:
		return "0 %"
	case share < 0.001:
		return "under 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", float64(int(share*1000))/10)
}

// Length prints how long something is, in its two largest units.
func Length(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days > 0 && hours > 0 && days < 10:
		return fmt.Sprintf("%d d %d h", days, hours)
	case days > 0:
		return fmt.Sprintf("%d d", days)
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%d h", hours)
	}
	return fmt.Sprintf("%d min", minutes)
}
