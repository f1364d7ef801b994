// Package enginetest gives tests a real ClickHouse: one embedded engine per
// test binary, a fresh database per test.
//
//	func TestMain(m *testing.M) { enginetest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		address := enginetest.Start(t).Address()
//		database := enginetest.Database(t)
//		...
//	}
package enginetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"exhibit/internal/engine"
)

// shared is the test binary's engine. It is the one piece of package state:
// a test binary has no other place for what outlives its tests.
var shared struct {
	once   sync.Once
	engine *engine.Engine
	err    error // why there is none
	dir    string
}

// patience bounds what this package asks of the engine.
const patience = time.Minute

// Main runs the tests, stops the engine after them and exits. It must be all
// that TestMain does, because the same binary serves as the engine's child.
func Main(m *testing.M) {
	engine.RunChildIfAsked()
	code := m.Run()
	if shared.engine != nil {
		if err := shared.engine.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "enginetest:", err)
			code = max(code, 1)
		}
	}
	if shared.dir != "" {
		if err := os.RemoveAll(shared.dir); err != nil {
			fmt.Fprintln(os.Stderr, "enginetest:", err)
		}
	}
	os.Exit(code)
}

// Start returns the engine that all tests of this binary share, started by
// the first of them. Without libchdb the test is skipped, or fails when
// CI=true. Tests that kill engines start one of their own, with Lib.
func Start(t testing.TB) *engine.Engine {
	t.Helper()
	lib := Lib(t)
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "exhibit-enginetest-"); shared.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		shared.engine, shared.err = engine.Start(ctx, engine.Options{
			Dir: shared.dir,
			Lib: lib,
			Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.engine
}

// Lib returns the path of libchdb. Without it the test is skipped, or fails
// when CI=true.
func Lib(t testing.TB) string {
	t.Helper()
	lib, err := engine.FindLib()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return lib
}

// Database returns the name of a fresh, empty database of the shared engine.
// It is dropped when the test passes and kept, with a line that says where,
// when it fails (the engine itself goes with the test binary, so its rows are
// only of use to what the test prints or to a debugger).
func Database(t testing.TB) string {
	t.Helper()
	address := Start(t).Address()
	name := "exhibit_test_" + strings.ToLower(rand.Text())
	if err := exec(address, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("enginetest: create database %s: %v", name, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("database %s is kept", name)
			return
		}
		if err := exec(address, "DROP DATABASE "+name+" SYNC"); err != nil {
			t.Errorf("enginetest: drop database %s: %v", name, err)
		}
	})
	return name
}

func exec(address engine.Address, query string) error {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol: clickhouse.Native,
		Addr:     []string{address.Addr},
		Auth:     clickhouse.Auth{Database: "system", Username: address.User, Password: address.Password},
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return conn.Exec(ctx, query)
}
