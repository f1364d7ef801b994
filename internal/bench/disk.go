package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// disk measures bytes per event: as the import left them and after all merges,
// beside zstd -3 of the file that they came from.
func (st *stage) disk(ctx context.Context) error {
	conn, err := st.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := st.start(); err != nil {
		return err
	}
	stored := func() (float64, error) {
		var n uint64
		err := conn.QueryRow(ctx, "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = '"+st.database()+"'").Scan(&n)
		return float64(n), err
	}
	st.m.Numbers = map[string]float64{}
	if st.m.Numbers["left"], err = stored(); err != nil {
		return err
	}
	if err := conn.Exec(ctx, "OPTIMIZE TABLE "+st.database()+".events FINAL"); err != nil {
		return err
	}
	if st.m.Numbers["merged"], err = stored(); err != nil {
		return err
	}
	if err := st.columns(ctx); err != nil {
		return err
	}
	tool, size, err := compressed(ctx, st.input())
	if err != nil {
		return err
	}
	st.m.Numbers[tool] = size
	return st.stop(uint64(st.events))
}

// columns notes the largest columns.
func (st *stage) columns(ctx context.Context) error {
	conn, err := st.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, "SELECT column, sum(column_bytes_on_disk) AS n FROM system.parts_columns WHERE active AND database = '"+st.database()+
		"' AND table = 'events' GROUP BY column ORDER BY n DESC LIMIT 12")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n uint64
		if err := rows.Scan(&name, &n); err != nil {
			return err
		}
		st.m.Numbers["column "+name] = float64(n)
	}
	return rows.Err()
}

// The names of what compressed the file.
const (
	zstdTool    = "zstd -3"
	zstdLibrary = "klauspost zstd, default level"
)

// compressed returns the size of the file after zstd -3: by the tool where it is
// installed, else by the library at the level that is nearest.
func compressed(ctx context.Context, path string) (tool string, size float64, err error) {
	if exe, err := exec.LookPath("zstd"); err == nil {
		out, err := exec.CommandContext(ctx, "sh", "-c", `"$0" -3 -q -c -- "$1" | wc -c`, exe, path).Output()
		if err != nil {
			return "", 0, fmt.Errorf("compress %s: %w", path, err)
		}
		size, err = strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		return zstdTool, size, err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	n := new(counter)
	w, err := zstd.NewWriter(n)
	if err != nil {
		return "", 0, err
	}
	if _, err := f.WriteTo(w); err != nil {
		return "", 0, err
	}
	return zstdLibrary, float64(*n), w.Close()
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
