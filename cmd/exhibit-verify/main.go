// Exhibit-verify checks an evidence pack offline, against a key that reached the
// reader another way than with the pack.
package main

import (
	"context"
	"os"
	"os/signal"
	_ "time/tzdata" // zones are the same on every machine

	"exhibit/internal/pack/verifier"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := verifier.Run(ctx, "exhibit-verify", os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
