package pack

import (
	_ "embed"
	"strings"
)

//go:embed verify.py
var verifyPy []byte

//go:embed VERIFY.md
var verifyTemplate string

// verifyText returns VERIFY.md for a pack of the log.
func verifyText(origin string) []byte {
	return []byte(strings.ReplaceAll(verifyTemplate, "{{origin}}", origin))
}
