package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"exhibit/internal/bucket"
	"exhibit/reports/schedule"
)

// checkMail tries the mail server, and sends a mail when an address is given.
func checkMail(ctx context.Context, config Config, to string, log *slog.Logger) error {
	m := &config.Mail
	if !m.enabled() {
		return errors.New("the configuration has no mail section")
	}
	if to == "" && m.Mailbox != "" {
		return nil
	}
	post, err := m.post(func(string) (*os.File, error) { return nil, errors.New("a test has no pack") })
	if err != nil {
		return err
	}
	if server, ok := post.(*schedule.SMTP); ok && to == "" {
		return server.Try(ctx)
	}
	if err := schedule.CheckAddress(to, nil); err != nil {
		return err
	}
	out := post.Send(ctx, schedule.Parcel{To: to, At: time.Now(), MessageID: rand.Text() + "@" + m.sender().Domain(),
		Letter: &schedule.Letter{Kind: "test", Name: "exhibit check", Subject: "Exhibit can send mail", Verdict: "Exhibit can send mail", Good: true}})
	log.Info("mail", "to", to, "state", string(out.State), "reply", out.Reply)
	if out.State != schedule.Sent {
		return errors.New(out.Reply)
	}
	return nil
}

// checkPlaces tries the directories and buckets that packs go to.
func (m *Mail) checkPlaces(ctx context.Context, report func(string, error)) {
	for _, name := range slices.Sorted(maps.Keys(m.Directories)) {
		info, err := os.Stat(m.Directories[name])
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", m.Directories[name])
		}
		report("directory "+name, err)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Buckets)) {
		report("bucket "+name, tryPlace(ctx, m.Buckets[name]))
	}
}

// tryPlace looks whether a bucket is there and may be listed.
func tryPlace(ctx context.Context, address string) error {
	b, err := bucket.Open(ctx, address)
	if err != nil {
		return err
	}
	there, err := b.IsAccessible(ctx)
	if err == nil && !there {
		err = errors.New("there is no such bucket, or it is not open to these credentials")
	}
	return errors.Join(err, b.Close())
}
