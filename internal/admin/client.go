package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"syscall"
)

func pathOf(name string) string { return url.PathEscape(name) }

// do asks and understands the answer.
func (c *Client) do(ctx context.Context, method, path string, body, result any) error {
	var text io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://rouse"+path, text)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no rouse runs with the state directory %s: start it, or name another one with --config or --state-dir", c.dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the rouse of %s is another user's: use the same user, or sudo", c.dir)
	case err != nil:
		return fmt.Errorf("asking the rouse of %s: %w", c.dir, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("asking the rouse of %s: %w", c.dir, err)
	}
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.Unmarshal(answer, &f) != nil || f.Error == "" {
			f.Error = resp.Status
		}
		return Refused(f.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer, result)
}
