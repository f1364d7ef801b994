package pack

import (
	"context"
	"errors"
	"io"
)

func write(ctx context.Context, out io.Writer, data Data, p *Params) (*Summary, error) {
	return nil, errors.New("pack: not written yet")
}
