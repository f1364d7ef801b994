package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/ingest/token"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token for a system that sends events, and print it: nothing shows it again."`
	List   tokenListCmd   `cmd:"" help:"List the tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once."`
}

type tokenCreateCmd struct {
	Source  string `required:"" help:"Source that it opens, and nothing else."`
	Expires string `placeholder:"DATE" help:"Last day on which it works, or an instant (RFC 3339). Default: it works until it is revoked."`
}

// Run makes a token. Its text is made and printed here; the process that writes gets
// its hash.
func (cmd *tokenCreateCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	expires, err := cmd.expires(config.Zone)
	if err != nil {
		return err
	}
	t, text := token.New(cmd.Source, operator().ID, expires, time.Now())
	err = withTokens(ctx, config, log, func(running *ingest.RunningWriter) error {
		return running.Add(ctx, t)
	}, func(w *writer, keeper *token.Keeper) error {
		return ingest.AddToken(ctx, w.ledger, keeper, t, token.Operator(t.By))
	})
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	ends := "works until it is revoked"
	if !t.Expires.IsZero() {
		ends = "works until " + t.Expires.Format(time.RFC3339)
	}
	fmt.Fprintf(os.Stderr, "Token %s opens the source %s and %s. Nothing shows it again:\n", t.ID, t.Source, ends)
	fmt.Println(text)
	return nil
}

// expires returns the end of the last day, or the instant.
func (cmd *tokenCreateCmd) expires(zone string) (time.Time, error) {
	at, err := parseMoment(cmd.Expires, zone)
	if err != nil {
		return at, fmt.Errorf("token: --expires: %w", err)
	}
	if len(cmd.Expires) == len(time.DateOnly) {
		at = at.AddDate(0, 0, 1)
	}
	return at, nil
}

type tokenListCmd struct{}

// Run lists the tokens, the newest first.
func (tokenListCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	var list []token.Token
	err := c.look(ctx, log, func(s *installation) (err error) {
		list, err = token.List(ctx, s.db)
		return err
	})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Println("no tokens: 'exhibit token create --source NAME' makes one")
		return nil
	}
	now := time.Now()
	moment := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.UTC().Format(time.RFC3339)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSOURCE\tSTATE\tCREATED\tBY\tFIRST USED\tEXPIRES\tREVOKED")
	for _, t := range list {
		state := "works"
		switch {
		case !t.Revoked.IsZero():
			state = "revoked"
		case !t.Expires.IsZero() && !now.Before(t.Expires):
			state = "expired"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Source, state, moment(t.Created), t.By, moment(t.Used), moment(t.Expires), moment(t.Revoked))
	}
	return w.Flush()
}

type tokenRevokeCmd struct {
	ID string `arg:"" help:"As 'exhibit token list' has it; the letters behind exh_ in the token."`
}

// Run ends a token, in the process that writes or here.
func (cmd *tokenRevokeCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	var t token.Token
	by := operator().ID
	err = withTokens(ctx, config, log, func(running *ingest.RunningWriter) (err error) {
		t, err = running.Revoke(ctx, cmd.ID, by)
		return err
	}, func(_ *writer, keeper *token.Keeper) (err error) {
		t, err = keeper.Revoke(ctx, cmd.ID, token.Operator(by))
		return err
	})
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	fmt.Printf("Revoked: %s, which opened the source %s\n", t.ID, t.Source)
	return nil
}

// withTokens changes tokens in the process that writes, or becomes it.
func withTokens(ctx context.Context, config Config, log *slog.Logger, there func(*ingest.RunningWriter) error, here func(*writer, *token.Keeper) error) error {
	w, err := openWriter(ctx, config, log, ingest.Accept{})
	if errors.Is(err, ingest.ErrLocked) {
		running, err := ingest.Dir(config.Data).Writer()
		if err != nil {
			return err
		}
		return there(running)
	}
	if err != nil {
		return err
	}
	err = w.declare(ctx, true)
	if err == nil {
		var keeper *token.Keeper
		if keeper, err = w.tokens(ctx); err == nil {
			err = here(w, keeper)
		}
	}
	return errors.Join(err, w.Close())
}

// tokens returns the tokens of the store.
func (w *writer) tokens(ctx context.Context) (*token.Keeper, error) {
	return token.Open(ctx, token.Options{Store: w.db, Diary: w.diary, Now: time.Now, After: time.After, Log: w.log})
}

// pageTokens makes tokens for pages as the command does.
type pageTokens struct {
	*token.Keeper
	ledger *ingest.Log
}

// Add keeps a token for a source that the ledger knows.
func (p pageTokens) Add(ctx context.Context, t token.Token, by source.Act) error {
	return ingest.AddToken(ctx, p.ledger, p.Keeper, t, by)
}
