package audit

import (
	"context"
	"testing"
)

func TestWhoActsOnAKey(t *testing.T) {
	for name, c := range map[string]struct {
		by       KeyBy
		kind, id string
	}{
		"a person":       {KeyBy{User: "usr_1", Client: "app_1"}, ActorUser, "usr_1"},
		"a machine":      {KeyBy{Client: "app_1"}, ActorClient, "app_1"},
		"a person's key": {KeyBy{User: "usr_1", Key: "key_9"}, ActorKey, "key_9"},
		"the server":     {KeyBy{}, ActorSystem, ""},
	} {
		ev := KeyRevoked(context.Background(), at, apiKey, c.by, "revoked")
		if ev.ActorKind != c.kind || ev.ActorID != c.id || ev.User != c.by.User || ev.Client != c.by.Client || ev.Object != "key_1" {
			t.Errorf("%s: %+v", name, ev)
		}
	}
}
