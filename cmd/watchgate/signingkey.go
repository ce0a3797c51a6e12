package main

import (
	"cmp"
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

type signingKeyCmd struct {
	List   signingKeyList   `cmd:"" help:"List the signing keys and where each is in its life."`
	Rotate signingKeyRotate `cmd:"" help:"Let the next key of an algorithm take over as soon as every cache can have it."`
	Drop   signingKeyDrop   `cmd:"" help:"Remove a key at once, because it is compromised. What it signed is worthless from then on."`
}

type signingKeyList struct {
	target `json:"-"`
}

func (c *signingKeyList) do(ctx context.Context, ops operators) (report, error) {
	keys, err := ops.keys.SigningKeys(ctx, storage.SignTokens)
	if err != nil {
		return report{}, err
	}
	more, err := ops.keys.SigningKeys(ctx, storage.SignAPIKeys)
	r := report{Columns: []string{"kid", "alg", "signs", "created", "signs from", "retired", "removed"}}
	for _, k := range append(keys, more...) {
		r.Rows = append(r.Rows, []string{k.KID, k.Alg, cmp.Or(string(k.Use), "tokens"), day(k.CreatedAt), day(k.ActiveAt), day(k.RetiredAt), day(k.RemoveAt)})
	}
	return r, err
}

type signingKeyRotate struct {
	target `json:"-"`
	Alg    string `arg:"" help:"RS256, ES256 or EdDSA." enum:"RS256,ES256,EdDSA"`
}

func (c *signingKeyRotate) do(ctx context.Context, ops operators) (report, error) {
	return said("The %s keys are rotated: see `watchgate signing-key list`.", c.Alg), ops.signer.Rotate(ctx, c.Alg)
}

type signingKeyDrop struct {
	target `json:"-"`
	KID    string `arg:"" name:"kid" help:"The key's id."`
}

func (c *signingKeyDrop) do(ctx context.Context, ops operators) (report, error) {
	return said("The key %s is gone from the published set.", c.KID), ops.signer.Drop(ctx, c.KID)
}

// day is a time in a list, or a dash.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
