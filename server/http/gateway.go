package http

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"roster/client"
	"roster/client/identity"
	v1 "roster/proto/roster/v1"
	gateway "roster/server/http/gateway"
	"roster/server/rpc/auth"
)

// gateway makes the JSON form of every public call: POST /roster.v1.X/Method.
func (c Config) gateway() (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, marshaler{}),
		runtime.WithIncomingHeaderMatcher(passed),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithMetadata(callerOf),
		runtime.WithErrorHandler(failed),
		runtime.WithStreamErrorHandler(streamFailed),
		runtime.WithRoutingErrorHandler(unrouted),
		runtime.WithDisablePathLengthFallback(),
	)
	ctx := context.Background() // it is used for nothing but the registration
	var faults []error
	for _, register := range []func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error{
		with(v1.NewTopologyServiceClient, gateway.RegisterTopologyServiceHandlerClient),
		with(v1.NewNodeServiceClient, gateway.RegisterNodeServiceHandlerClient),
		with(v1.NewAssignmentServiceClient, gateway.RegisterAssignmentServiceHandlerClient),
		with(v1.NewEndpointServiceClient, gateway.RegisterEndpointServiceHandlerClient),
		with(v1.NewClusterServiceClient, gateway.RegisterClusterServiceHandlerClient),
		with(v1.NewEventServiceClient, gateway.RegisterEventServiceHandlerClient),
		with(v1.NewPlanServiceClient, gateway.RegisterPlanServiceHandlerClient),
		with(v1.NewGuardServiceClient, gateway.RegisterGuardServiceHandlerClient),
		with(v1.NewRolloutServiceClient, gateway.RegisterRolloutServiceHandlerClient),
		with(v1.NewWhatIfServiceClient, gateway.RegisterWhatIfServiceHandlerClient),
	} {
		faults = append(faults, register(ctx, mux, c.API))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	}), errors.Join(faults...)
}

// with makes the registration of one service.
func with[C any](client func(grpc.ClientConnInterface) C, register func(context.Context, *runtime.ServeMux, C) error) func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error {
	return func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
		return register(ctx, mux, client(conn))
	}
}

// passed says which headers reach the gRPC server: the cluster id that a call is
// meant for. Anything else, and above all the caller's name, is ours to set.
func passed(header string) (string, bool) {
	if strings.EqualFold(header, client.ClusterIDKey) {
		return client.ClusterIDKey, true
	}
	return "", false
}

// callerOf names who calls to the gRPC server in memory.
func callerOf(ctx context.Context, _ *http.Request) metadata.MD {
	who, ok := ctx.Value(callerKey{}).(identity.Identity)
	if !ok || who.IsZero() {
		return nil
	}
	return metadata.Pairs(auth.CallerKey, who.URI())
}

// onlyJSON refuses what a form of another site could send: a browser asks
// before it sends this type across sites, and is not answered.
func onlyJSON(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, "unimplemented", "METHOD", "call "+r.URL.Path+" with POST and a JSON body, as {}")
			return
		}
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "application/json" {
			refuse(w, http.StatusUnsupportedMediaType, "invalid_argument", "CONTENT_TYPE", "send JSON and say so: with curl, -H 'Content-Type: application/json'")
			return
		}
		next.ServeHTTP(w, r)
	})
}
