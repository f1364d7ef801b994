package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"exhibit/ingest"
	"exhibit/internal/store"
)

type rejectsCmd struct {
	Source string `help:"Only of this source."`
	Reason string `help:"Only of this reason."`
	State  string `enum:"open,resolved,all" default:"open" help:"open, resolved (dealt with by a redrive), or all."`
	List   bool   `help:"List single rejects instead of counting them, newest first."`
	Limit  int    `default:"100" help:"How many are listed."`
	Bytes  string `placeholder:"SHA256" help:"Write the bytes of the reject to standard output; the first letters of the hash are enough."`
}

// Run prints what could not become events.
func (cmd *rejectsCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	return c.look(ctx, log, func(s *installation) error { return cmd.print(ctx, s) })
}

func (cmd *rejectsCmd) print(ctx context.Context, s *installation) error {
	reader, _, err := s.reader()
	if err != nil {
		return err
	}
	head, err := reader.Head(ctx)
	if err != nil {
		return err
	}
	snap := head.Snapshot()
	filter := store.RejectFilter{Source: cmd.Source, Reason: cmd.Reason, State: store.RejectState(cmd.State)}
	if cmd.State == "all" || cmd.Bytes != "" {
		filter.State = store.RejectsAll
	}
	switch {
	case cmd.Bytes != "":
		return cmd.bytes(ctx, s.db, snap, filter)
	case cmd.List:
		return cmd.list(ctx, s.db, snap, filter)
	}
	groups, err := s.db.RejectGroups(ctx, snap, filter)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		fmt.Println("no rejects")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tOPEN\tRESOLVED\tFIRST\tLAST\tEXAMPLE\tREASON")
	for _, g := range groups {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", g.Source, g.Open, g.Resolved, g.First.Format(time.RFC3339), g.Last.Format(time.RFC3339),
			hex.EncodeToString(g.Example[:6]), g.Reason)
	}
	return w.Flush()
}

func (cmd *rejectsCmd) list(ctx context.Context, db *store.DB, snap store.Snapshot, filter store.RejectFilter) error {
	list, err := db.Rejects(ctx, snap, filter, cmd.Limit)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RECEIVED\tSOURCE\tSHA256\tBYTES\tSTATE\tREASON")
	for _, r := range list {
		state := "open"
		if r.Resolved != nil {
			state = strings.TrimSpace(r.Resolved.Outcome + " " + r.Resolved.ID)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", r.Received.Format(time.RFC3339), r.Source, hex.EncodeToString(r.SHA256[:]), r.Size, state, r.Reason)
	}
	if len(list) == cmd.Limit {
		fmt.Fprintf(w, "(the newest %d; see --limit)\n", cmd.Limit)
	}
	return w.Flush()
}

// bytes writes one reject as it came.
func (cmd *rejectsCmd) bytes(ctx context.Context, db *store.DB, snap store.Snapshot, filter store.RejectFilter) error {
	list, err := db.RejectsByHash(ctx, snap, filter, strings.ToLower(cmd.Bytes))
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("there is no reject whose SHA-256 begins with %s", cmd.Bytes)
	}
	for _, r := range list[1:] {
		if r.SHA256 != list[0].SHA256 {
			return fmt.Errorf("there are several rejects whose SHA-256 begins with %s: give more of it", cmd.Bytes)
		}
	}
	r, _, err := db.Reject(ctx, snap, store.Key(&list[0].Reject), list[0].Size)
	if err != nil {
		return err
	}
	if uint64(len(r.Raw)) < r.Size {
		fmt.Fprintf(os.Stderr, "these are the first %d of %d bytes: the record was too large to be kept whole\n", len(r.Raw), r.Size)
	}
	_, err = os.Stdout.WriteString(r.Raw)
	return err
}

type redriveCmd struct {
	Source string `help:"Only rejects of this source."`
	Reason string `help:"Only rejects of this reason, as 'exhibit rejects' prints it."`
	DryRun bool   `help:"Say what would become of them; write nothing to the ledger but the start of a writer."`
}

// Help says what a redrive does.
func (redriveCmd) Help() string {
	return "Takes the bytes of rejects through the present normalisers, mappings and rules again. What becomes an event is stored with the " +
		"time of receipt that it had; what still cannot become one stays open. It may be stopped and started again: nothing comes twice."
}

// Run tries rejects again. With another writer at work it has that one do it.
func (cmd *redriveCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	r := ingest.Redrive{Source: cmd.Source, Reason: cmd.Reason, DryRun: cmd.DryRun, By: operator().ID}
	result, err := redrive(ctx, config, log, r)
	fmt.Println(result)
	if cmd.DryRun && err == nil {
		fmt.Println("nothing was written: leave out --dry-run to do it")
	}
	if result.Unknown > 0 {
		fmt.Printf("%d are of sources of which no kind is known\n", result.Unknown)
	}
	if result.Cut > 0 {
		fmt.Printf("%d were too large to be kept whole, and cannot be tried again\n", result.Cut)
	}
	return err
}

func redrive(ctx context.Context, config Config, log *slog.Logger, r ingest.Redrive) (ingest.RedriveResult, error) {
	w, err := openWriter(ctx, config, log, ingest.Accept{})
	if errors.Is(err, ingest.ErrLocked) {
		running, err := ingest.Dir(config.Data).Writer()
		if err != nil {
			return ingest.RedriveResult{}, err
		}
		fmt.Fprintln(os.Stderr, "Another process writes with this data directory; it does the work, with the rules that it started with.")
		return running.Redrive(ctx, r)
	}
	if err != nil {
		return ingest.RedriveResult{}, err
	}
	if !r.DryRun {
		err = w.declare(ctx, true) // rules that changed are in the ledger before what they did
	}
	if err != nil {
		return ingest.RedriveResult{}, errors.Join(err, w.Close())
	}
	r.KindOf, r.Secret, r.Random = w.kindOf, w.secret, rand.Reader
	result, err := ingest.RedriveInto(ctx, w.committer, w.diary, r)
	return result, errors.Join(err, w.Close())
}
