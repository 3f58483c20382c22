"""A Milvus server of milvus-lite on 127.0.0.1, in a process of its own: `milvus_serving.py FOLDER PORT [FAULTS]`.

It ends when its input is closed. FAULTS is JSON: `token` is asked for as Milvus asks for it, `version` is what the
server says of itself, and `die_in` is a call in which the process ends as by a power cut, at the `die_at`-th time.
"""

import base64
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.db import MilvusLite
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

REFUSED = "auth check failure, please check api key is correct"  # as Milvus 2.5 says it


class Guard(grpc.ServerInterceptor):
    """Lets only calls with the token in."""

    def __init__(self, token):
        self._expected = base64.b64encode(token.encode()).decode()

    def intercept_service(self, continuation, details):
        given = dict(details.invocation_metadata).get("authorization")
        if given == self._expected:
            return continuation(details)
        return grpc.unary_unary_rpc_method_handler(
            lambda _request, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSED)
        )


class Mortal(grpc.ServerInterceptor):
    """Ends the process in a call."""

    def __init__(self, call, at):
        self._call, self._left = call, at

    def intercept_service(self, continuation, details):
        if details.method.rpartition("/")[2] == self._call:
            self._left -= 1
            if not self._left:
                os._exit(9)
        return continuation(details)


class Claiming(MilvusServicer):
    """Says that it is of another version."""

    version = ""

    def GetVersion(self, request, context):  # noqa: N802
        if not self.version:
            return super().GetVersion(request, context)
        return milvus_pb2.GetVersionResponse(status=common_pb2.Status(code=0), version=self.version)


def main(folder, port, faults="{}"):
    told = json.loads(faults)
    guards = [Guard(told["token"])] if "token" in told else []
    if "die_in" in told:
        guards.append(Mortal(told["die_in"], told["die_at"]))
    server = grpc.server(
        ThreadPoolExecutor(8), interceptors=guards, options=[("grpc.max_receive_message_length", 1 << 28)]
    )
    database = MilvusLite(folder)
    servicer = Claiming(database)
    servicer.version = told.get("version", "")
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    sys.stdout.write(f"{bound}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(0)
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
