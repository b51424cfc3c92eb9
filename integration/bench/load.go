package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"roster/client"
	v1 "roster/proto/roster/v1"
)

// mostConnections is how many connections clients share; more clients than
// that have several calls on one.
const mostConnections = 64

// callBound bounds one request.
const callBound = 30 * time.Second

// Writes is what a load came to.
type Writes struct {
	Done   int
	Failed int
	Took   time.Duration
	// Of a sample of calls.
	Latency []time.Duration
	// One of the errors.
	Err error
}

// PerSecond is acknowledged changes per second.
func (w Writes) PerSecond() float64 { return float64(w.Done) / w.Took.Seconds() }

// Write lets so many clients update labels of random nodes for a time, each
// with one request under way. batch: changes per request, 1 by UpdateNode.
func Write(addresses []string, clients, batch, nodes int, length time.Duration) (Writes, error) {
	ids, err := client.New(client.Config{Members: addresses})
	if err != nil {
		return Writes{}, err
	}
	defer func() { _ = ids.Close() }() // only for its request ids
	var conns []*grpc.ClientConn
	defer func() {
		for _, c := range conns {
			_ = c.Close() // the load is over
		}
	}()
	for i := range min(clients, mostConnections) {
		conn, err := grpc.NewClient(addresses[i%len(addresses)], grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return Writes{}, fmt.Errorf("dial: %w", err)
		}
		conns = append(conns, conn)
	}
	var done, failed atomic.Int64
	var mu sync.Mutex
	result := Writes{}
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	began := time.Now()
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			api := v1.NewNodeServiceClient(conns[i%len(conns)])
			var latency []time.Duration
			for n := 0; ctx.Err() == nil; n++ {
				sent := time.Now()
				// The end of the load lets calls finish.
				call, cancel := context.WithTimeout(context.Background(), callBound)
				changed, err := write(call, api, ids, i+n*clients, batch, nodes)
				cancel()
				switch {
				case err != nil:
					failed.Add(1)
					mu.Lock()
					result.Err = err
					mu.Unlock()
				default:
					done.Add(int64(changed))
					latency = append(latency, time.Since(sent))
				}
			}
			mu.Lock()
			result.Latency = append(result.Latency, latency...)
			mu.Unlock()
		})
	}
	group.Wait()
	result.Took, result.Done, result.Failed = time.Since(began), int(done.Load()), int(failed.Load())
	return result, nil
}

func write(ctx context.Context, api v1.NodeServiceClient, ids *client.Client, n, batch, nodes int) (int, error) {
	update := func(i int) *v1.UpdateNodeRequest {
		return &v1.UpdateNodeRequest{
			RequestId: ids.RequestID(), Id: fmt.Sprintf("node-%d", i%nodes+1), SetLabels: map[string]string{"bench": fmt.Sprint(i)},
		}
	}
	if batch == 1 {
		_, err := api.UpdateNode(ctx, update(n))
		return 1, err
	}
	request := &v1.UpdateNodesRequest{}
	for i := range batch {
		request.Updates = append(request.Updates, update(n*batch+i))
	}
	response, err := api.UpdateNodes(ctx, request)
	if err != nil {
		return 0, err
	}
	for _, r := range response.GetResults() {
		if r.GetCode() != 0 {
			return 0, fmt.Errorf("a change was refused: %s", r.GetMessage())
		}
	}
	return batch, nil
}
