package signer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// reseal seals under the newest master what an older one sealed, so that the
// older one can be taken away (KM-05). When another node is faster, what it left
// is done at the next Tick. It returns the ring after the change.
func (s *Signer) reseal(ctx context.Context, r *ring) (*ring, error) {
	rows, err := s.resealed(r)
	if err != nil || len(rows) == 0 {
		return r, err
	}
	kids := kidsOf(rows)
	err = s.keys.PutSigningKeys(ctx, rows, audit.SigningKeysChanged(ctx, s.now(), kids, "resealed"))
	if err != nil && !errors.Is(err, storage.ErrConflict) {
		return nil, fmt.Errorf("signer: store keys: %w", err)
	}
	if err == nil {
		s.log.InfoContext(ctx, "signing keys sealed under the newest master", slog.Any("kids", kids))
	}
	return s.load(ctx)
}

// resealed returns the rows of an older master, sealed by the newest. Rows that
// did not open stay as they are.
func (s *Signer) resealed(r *ring) ([]storage.SigningKey, error) {
	var out []storage.SigningKey
	for _, row := range r.rows {
		k, ok := r.keys[row.KID]
		if !ok || !s.sealer.Stale(row.Sealed) {
			continue
		}
		plain, err := json.Marshal(k.private)
		if err != nil {
			return nil, fmt.Errorf("signer: encode key: %w", err)
		}
		if row.Sealed, err = s.sealer.Seal(place(row.KID), plain); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}
