package pack

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const givenNote = "exhibit.example.com/prod\n8114\nXzwdC+KpTHeE8eCmvTkhxF88HQvizUx3hPHgpr05IcQ=\n\n— exhibit.example.com/prod AbCd==\n"

func TestGivenMail(t *testing.T) {
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	quoted := strings.ReplaceAll(strings.ReplaceAll(givenNote, "=", "=3D"), "—", "=E2=80=94")
	const head = "Received: from a by b\nSubject: Checkpoint\nMessage-ID: <x@example.com>\n"
	for name, text := range map[string]string{
		"the note itself":  givenNote,
		"plain":            head + "\nHello\n\n" + givenNote + "\n-- \nExhibit\n",
		"quoted-printable": crlf(head + "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\nKeep this=\n mail\n\n" + quoted + "-- =20\n"),
		"base64":           head + "Content-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte("Hi\n\n"+givenNote)) + "\n",
		"parts in parts": crlf(head + "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>x\n\n— y\n" +
			"--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nx\n\n" + quoted + "\n--b--\n--a\nContent-Type: application/zip\n\nPK\n--a--\n"),
		"with a large pack": head + "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n\n" + givenNote + "\n--a\nContent-Type: application/zip\n\n" + strings.Repeat("PK\n", maxGiven/2) + "--a--\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mail.eml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Given(path)
			if err != nil || got != givenNote {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func FuzzMailed(f *testing.F) {
	f.Add("Subject: x\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n" + givenNote + "\r\n--a--\r\n")
	f.Add(givenNote)
	f.Fuzz(func(t *testing.T, text string) {
		if got := mailed(text); got != text && strings.Count(got, "\n") < 5 {
			t.Errorf("%q is neither the text nor a note", got)
		}
	})
}
