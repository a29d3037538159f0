"""`python -m polku_indicators api | worker | all`."""

from polku_indicators.app import create_api, create_worker
from polku_indicators.settings import SERVICE, IndicatorsSettings
from polku_runtime.process import main
from polku_web.live import end_streams

if __name__ == "__main__":
    main(SERVICE, IndicatorsSettings, create_api, create_worker, end_streams)
