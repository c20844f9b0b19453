import ArgumentParser
import AsyncHTTPClient
import Configuration
import Subprocess
print("stub")
