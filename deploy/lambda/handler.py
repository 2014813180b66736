"""What Lambda imports: ``handler.handler``."""

import os

from medanomaly.service.aws_lambda import handler_of

handler = handler_of(os.environ)
