"""`python -m polku_pathway api | worker | all`"""

from polku_pathway.app import SERVICE, create_api, create_worker
from polku_pathway.settings import PathwaySettings
from polku_runtime.process import main
from polku_web.live import end_streams

if __name__ == "__main__":
    main(SERVICE, PathwaySettings, create_api, create_worker, end_streams)
